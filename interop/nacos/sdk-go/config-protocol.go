package main

import "strings"

// configNames tries keys and contents of configurations.
func (s *script) configNames(c *connection) {
	long := func(n int) string { return s.prefix + strings.Repeat("x", n-len(s.prefix)) }
	key, group := s.prefix+"-key", s.prefix+"-p"
	type try struct{ what, tenant, group, dataID, content string }
	tries := []try{
		{"content empty", "", group, key, ""}, {"content blank", "", group, key, " \n"},
		{"content with ends of lines", "", group, key, "a\r\nb\n"},
		{"dataId empty", "", group, "", "v"}, {"group empty", "", "", key, "v"},
		{"dataId blank", "", group, " ", "v"}, {"group blank", "", " ", key, "v"},
		// One of 256 passes Nacos's check, but not its column.
		{"dataId of 255", "", group, long(255), "v"}, {"dataId of 257", "", group, long(257), "v"},
		{"group of 128", "", long(128), key, "v"}, {"group of 129", "", long(129), key, "v"},
		{"tenant of 64", long(64), group, key, "v"}, {"tenant of 65", long(65), group, key, "v"},
		{"tenant with a dot", s.prefix + ".x", group, key, "v"}, {"tenant with an underscore", s.prefix + "_x", group, key, "v"},
	}
	odd := map[string]string{
		"a blank": " ", "a colon": ":", "a slash": "/", "a hash": "#", "an at": "@", "a dot": ".", "an underscore": "_", "a comma": ",",
		"CJK": "名", "an umlaut": "ü", "a dollar": "$",
	}
	for _, what := range sorted(odd) {
		name := s.prefix + "-" + odd[what] + "-z"
		tries = append(tries, try{"dataId with " + what, "", group, name, "v"}, try{"group with " + what, "", name, key, "v"})
	}
	for _, t := range tries {
		s.step("config: "+t.what, func() (answer, error) {
			saw := answer{"published": c.publish(t.tenant, t.group, t.dataID, t.content, "")}
			if !strings.Contains(compact(saw), `"resultCode":200`) {
				saw["query"] = c.get(t.tenant, t.group, t.dataID)
				return saw, nil
			}
			err := await("what was published", func() bool {
				saw["query"] = c.get(t.tenant, t.group, t.dataID)
				return strings.Contains(compact(saw["query"]), `"resultCode":200`)
			})
			saw["removed"] = c.remove(t.tenant, t.group, t.dataID)
			return saw, err
		})
	}
}

// configListening listens by lists of keys, and is told by name only.
func (s *script) configListening(c, other *connection) {
	group := s.prefix + "-l"
	context := func(tenant, dataID, md5 string) string {
		return compact(answer{"group": group, "dataId": dataID, "tenant": tenant, "md5": md5})
	}
	listen := func(contexts ...string) string {
		return `{"requestId":"20","module":"config","listen":true,"configListenContexts":[` + strings.Join(contexts, ",") + `]}`
	}
	written := func(tenant, dataID, content string) error {
		other.publish(tenant, group, dataID, content, "")
		return await("what was published", func() bool {
			return strings.Contains(compact(other.get(tenant, group, dataID)), md5Of(content))
		})
	}
	a, b, absent := s.prefix+"-a", s.prefix+"-b", s.prefix+"-absent"

	s.step("listening: known, changed, absent", func() (answer, error) {
		for _, name := range []string{a, b} {
			if err := written("", name, "1"); err != nil {
				return nil, err
			}
		}
		return c.ask("ConfigBatchListenRequest", listen(context("", a, md5Of("1")), context("", b, md5Of("0")), context("", absent, ""))), nil
	})
	s.step("listening: absent, but a md5 is held", func() (answer, error) {
		return c.ask("ConfigBatchListenRequest", listen(context("", s.prefix+"-gone", md5Of("0")))), nil
	})
	s.step("listening: present, but none is held", func() (answer, error) {
		return c.ask("ConfigBatchListenRequest", listen(context("", a, ""))), nil
	})
	s.step("listening: nothing", func() (answer, error) { return c.ask("ConfigBatchListenRequest", listen()), nil })
	s.step("listening: an illegal key among legal ones", func() (answer, error) {
		return c.ask("ConfigBatchListenRequest", listen(context("", a, ""), context("", "a b", ""))), nil
	})
	s.step("listening: a change is told", func() (answer, error) {
		mark := len(c.pushed())
		if err := written("", a, "2"); err != nil {
			return nil, err
		}
		return c.awaitPush("ConfigChangeNotifyRequest", mark, a)
	})
	s.step("listening: a key appears", func() (answer, error) {
		mark := len(c.pushed())
		if err := written("", absent, "1"); err != nil {
			return nil, err
		}
		return c.awaitPush("ConfigChangeNotifyRequest", mark, absent)
	})
	s.step("listening: a key goes", func() (answer, error) {
		mark := len(c.pushed())
		other.remove("", group, absent)
		return c.awaitPush("ConfigChangeNotifyRequest", mark, absent)
	})
	s.step("listening: tenant public", func() (answer, error) {
		mark := len(c.pushed())
		saw := answer{"listen": c.ask("ConfigBatchListenRequest", listen(context("public", b, md5Of("1"))))}
		err := written("public", b, "2")
		if err != nil {
			return saw, err
		}
		saw["told"], err = c.awaitPush("ConfigChangeNotifyRequest", mark, b)
		saw["in empty"] = other.get("", group, b)
		return saw, err
	})
	s.step("listening: another tenant", func() (answer, error) {
		tenant := s.prefix + "-ns"
		mark := len(c.pushed())
		saw := answer{"listen": c.ask("ConfigBatchListenRequest", listen(context(tenant, a, "")))}
		err := written(tenant, a, "3")
		if err != nil {
			return saw, err
		}
		saw["told"], err = c.awaitPush("ConfigChangeNotifyRequest", mark, a)
		return saw, err
	})
	s.step("listening: no longer", func() (answer, error) {
		off := strings.Replace(listen(context("", a, md5Of("2"))), `"listen":true`, `"listen":false`, 1)
		saw := answer{"answer": c.ask("ConfigBatchListenRequest", off)}
		mark := len(c.pushed())
		if err := written("", a, "4"); err != nil {
			return saw, err
		}
		// The next key's change is told, so this one's would have been.
		if err := written("", absent, "5"); err != nil {
			return saw, err
		}
		_, err := c.awaitPush("ConfigChangeNotifyRequest", mark, absent)
		saw["told"] = c.kinds(mark)
		return saw, err
	})
}

func (c *connection) publish(tenant, group, dataID, content, casMd5 string) answer {
	return c.ask("ConfigPublishRequest", compact(answer{
		"requestId": "11", "module": "config", "tenant": tenant, "group": group, "dataId": dataID, "content": content, "casMd5": casMd5,
	}))
}

func (c *connection) get(tenant, group, dataID string) answer {
	return c.ask("ConfigQueryRequest", compact(answer{"requestId": "12", "module": "config", "tenant": tenant, "group": group, "dataId": dataID}))
}

func (c *connection) remove(tenant, group, dataID string) answer {
	return c.ask("ConfigRemoveRequest", compact(answer{"requestId": "13", "module": "config", "tenant": tenant, "group": group, "dataId": dataID}))
}
