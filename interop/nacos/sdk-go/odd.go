package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// names tries names of services, groups, namespaces and clusters: which a server refuses, and in what words.
func (s *script) names(c *connection) {
	long := func(n int) string { return s.prefix + strings.Repeat("x", n-len(s.prefix)) }
	service, group := s.prefix+"-odd", s.prefix+"-p"
	odd := map[string]string{
		"a blank": " ", "a tab": "\t", "a colon": ":", "a slash": "/", "a hash": "#", "an at": "@", "two ats": "@@", "a percent": "%",
		"a comma": ",", "a plus": "+", "CJK": "名", "an umlaut": "ü", "an emoji": "😀", "a dollar": "$", "braces": "{}", "a quote": `"`,
		"an equals sign": "=", "a question mark": "?", "a star": "*", "a no-break space": "\u00a0", "an ideographic space": "\u3000", "a bracket": "<", "a backslash": `\`, "a semicolon": ";",
	}
	type try struct{ what, namespace, group, service, instance string }
	tries := []try{}
	for _, what := range sorted(odd) {
		name := s.prefix + "-" + odd[what] + "-z"
		tries = append(tries, try{"service name with " + what, "public", group, name, plain}, try{"group with " + what, "public", name, service, plain})
	}
	tries = append(tries,
		try{"service name of 512", "public", group, long(512), plain}, try{"service name of 513", "public", group, long(513), plain},
		try{"service name empty", "public", group, "", plain}, try{"service name blank", "public", group, " ", plain},
		try{"service name of two blanks", "public", group, "  ", plain},
		try{"service name a no-break space", "public", group, "\u00a0", plain},
		try{"service name begins with CJK", "public", group, "名" + s.prefix, plain},
		try{"service name begins with a blank", "public", group, " " + s.prefix, plain},
		try{"service name begins with @", "public", group, "@" + s.prefix, plain},
		try{"service name ends with @", "public", group, s.prefix + "@", plain},
		try{"service name begins with a letter and @@", "public", group, "x@@" + s.prefix, plain},
		try{"service name is the grouped name", "public", group, group + "@@" + s.prefix + "-grouped", plain},
		try{"service name has another group's", "public", group, s.prefix + "-q@@" + s.prefix + "-grouped", plain},
		try{"group of 128", "public", long(128), service, plain}, try{"group of 129", "public", long(129), service, plain},
		try{"group empty", "public", "", service, plain}, try{"group blank", "public", "\t", service, plain},
		try{"namespace blank", " ", group, service, plain},
		try{"namespace of 64", long(64), group, service, plain}, try{"namespace of 65", long(65), group, service, plain},
		try{"namespace with a blank", s.prefix + " x", group, service, plain},
		try{"namespace with a dot", s.prefix + ".x", group, service, plain},
		try{"namespace with a slash", s.prefix + "/x", group, service, plain},
		try{"namespace with an underscore", s.prefix + "_x", group, service, plain},
	)
	for _, t := range tries {
		s.step("name: "+t.what, func() (answer, error) { return s.registered(c, t.namespace, t.group, t.service, t.instance) })
	}
}

// instances tries what an instance may be.
func (s *script) instances(c *connection) {
	group := s.prefix + "-p"
	fields := map[string]string{
		"cluster empty":                   `"clusterName":""`,
		"cluster blank":                   `"clusterName":" "`,
		"cluster with a dot":              `"clusterName":"a.b"`,
		"cluster with an underscore":      `"clusterName":"a_b"`,
		"cluster with a comma":            `"clusterName":"a,b"`,
		"cluster CJK":                     `"clusterName":"名"`,
		"cluster of 64":                   fmt.Sprintf(`"clusterName":%q`, strings.Repeat("c", 64)),
		"cluster of 65":                   fmt.Sprintf(`"clusterName":%q`, strings.Repeat("c", 65)),
		"ip empty":                        `"ip":""`,
		"ip blank":                        `"ip":" "`,
		"ip a name":                       `"ip":"host.example"`,
		"ip v6":                           `"ip":"fe80::1"`,
		"ip with blanks":                  `"ip":"a b"`,
		"ip CJK":                          `"ip":"名"`,
		"ip of 128":                       fmt.Sprintf(`"ip":%q`, strings.Repeat("1", 128)),
		"ip of 129":                       fmt.Sprintf(`"ip":%q`, strings.Repeat("1", 129)),
		"port 0":                          `"port":0`,
		"port 65535":                      `"port":65535`,
		"port 65536":                      `"port":65536`,
		"port negative":                   `"port":-1`,
		"weight 0.25":                     `"weight":0.25`,
		"weight negative":                 `"weight":-1`,
		"weight 10001":                    `"weight":10001`,
		"metadata null":                   `"metadata":null`,
		"metadata of 1024":                fmt.Sprintf(`"metadata":{"k":%q}`, strings.Repeat("v", 1023)),
		"metadata of 1025":                fmt.Sprintf(`"metadata":{"k":%q}`, strings.Repeat("v", 1024)),
		"metadata of 1024 CJK":            fmt.Sprintf(`"metadata":{"k":%q}`, strings.Repeat("名", 1023)),
		"metadata with an empty value":    `"metadata":{"k":"","":"v"}`,
		"beats of its own":                `"metadata":{"preserved.heart.beat.interval":"1000","preserved.heart.beat.timeout":"2000","preserved.ip.delete.timeout":"3000"}`,
		"beat timeout below its interval": `"metadata":{"preserved.heart.beat.interval":"3000","preserved.heart.beat.timeout":"2000"}`,
		"delete timeout below interval":   `"metadata":{"preserved.heart.beat.interval":"3000","preserved.ip.delete.timeout":"2000"}`,
		"beats that are no number":        `"metadata":{"preserved.heart.beat.interval":"soon"}`,
		"an instance id":                  `"instanceId":"mine"`,
		"a service name of its own":       `"serviceName":"other"`,
		"fields that nobody knows":        `"unknown":{"a":[1]}`,
		"beats as fields":                 `"instanceHeartBeatInterval":1,"instanceHeartBeatTimeOut":2,"ipDeleteTimeout":3`,
	}
	for i, what := range sorted(fields) {
		name := fmt.Sprintf("%s-instance-%d", s.prefix, i)
		s.step("instance: "+what, func() (answer, error) { return s.registered(c, "public", group, name, with(fields[what])) })
	}
	s.step("instance: all defaults", func() (answer, error) {
		return s.registered(c, "public", group, s.prefix+"-instance-defaults", `{"ip":"10.9.5.1","port":1,"clusterName":"DEFAULT"}`)
	})
	s.step("instance: missing", func() (answer, error) {
		return c.ask("InstanceRequest", s.inGroup("odd", `"type":"registerInstance"`)), nil
	})
	s.step("instance: said to be persistent, in a request for ephemeral ones", func() (answer, error) {
		return s.registered(c, "public", group, s.prefix+"-instance-persistent", with(`"ephemeral":false`))
	})
	s.step("instance: unknown type of request", func() (answer, error) {
		return c.ask("InstanceRequest", s.inGroup("odd", `"type":"other","instance":`+plain)), nil
	})
}

// batchesOf tries what a batch may be.
func (s *script) batchesOf(c *connection) {
	group := s.prefix + "-p"
	batch := func(service, instances string) string {
		return s.namingOf("public", group, service, `"type":"batchRegisterInstance","instances":`+instances)
	}
	lists := map[string]string{
		"with a refused one":           `[` + plain + `,` + with(`"port":65536`) + `]`,
		"with an illegal cluster":      `[` + plain + `,` + with(`"clusterName":"a_b"`) + `]`,
		"with beats of no single one":  `[` + plain + `,` + with(`"metadata":{"preserved.heart.beat.interval":"3000","preserved.heart.beat.timeout":"2000"}`) + `]`,
		"with an empty cluster":        `[` + with(`"clusterName":""`) + `]`,
		"with a cluster with a dot":    `[` + plain + `,` + with(`"clusterName":"a.b"`) + `]`,
		"with a persistent one":        `[` + plain + `,` + with(`"ip":"10.9.5.9","ephemeral":false`) + `]`,
		"with the same one twice":      `[` + plain + `,` + plain + `]`,
		"with one address, 2 ways":     `[` + plain + `,` + with(`"metadata":{"k":"w"}`) + `]`,
		"with one address, 2 clusters": `[` + plain + `,` + with(`"clusterName":"west"`) + `]`,
	}
	for i, what := range sorted(lists) {
		s.step("batch: "+what, func() (answer, error) {
			service := fmt.Sprintf("%s-batch-%d", s.prefix, i)
			return s.acceptedOrNot(c, "public", group, service, c.ask("BatchInstanceRequest", batch(service, lists[what])))
		})
	}
	s.step("batch: with an illegal name", func() (answer, error) {
		return c.ask("BatchInstanceRequest", batch("a b", `[`+plain+`]`)), nil
	})
	for _, kind := range []string{"deregisterInstance", "other"} {
		s.step("batch: of type "+kind, func() (answer, error) {
			return c.ask("BatchInstanceRequest", s.inGroup("odd", fmt.Sprintf(`"type":%q,"instances":[%s]`, kind, plain))), nil
		})
	}
	s.step("batch: empty, after another", func() (answer, error) {
		service, mark := s.prefix+"-batch-empty", s.prefix+"-batch-mark"
		c.ask("BatchInstanceRequest", batch(service, `[`+plain+`]`))
		if err := await("the batch before", func() bool { return c.hosts(s, group, service) == 1 }); err != nil {
			return nil, err
		}
		c.subscribe(s, service, "")
		from := len(c.pushed())
		c.subscribe(s, mark, "")
		saw := answer{"answer": c.ask("BatchInstanceRequest", batch(service, `[]`))}
		c.ask("InstanceRequest", s.namingOf("public", group, mark, `"type":"registerInstance","instance":`+plain))
		// Pushed later than what the empty batch may have changed.
		_, err := c.awaitPush("NotifySubscriberRequest", from, mark, "10.9.5.1")
		saw["query"] = c.query(s, "public", group, service, "")
		return saw, err
	})
}

// registered registers an instance; when it is accepted, with what a query finds.
func (s *script) registered(c *connection, namespace, group, service, instance string) (answer, error) {
	saw, err := s.acceptedOrNot(c, namespace, group, service,
		c.ask("InstanceRequest", s.namingOf(namespace, group, service, `"type":"registerInstance","instance":`+instance)))
	// Others of this service follow.
	c.ask("InstanceRequest", s.namingOf(namespace, group, service, `"type":"deregisterInstance","instance":`+instance))
	return saw, err
}

// acceptedOrNot adds to a server's answer, when it is a yes, what a query finds.
func (s *script) acceptedOrNot(c *connection, namespace, group, service string, said answer) (answer, error) {
	saw := answer{"answer": said}
	if !strings.Contains(compact(said), `"resultCode":200`) {
		return saw, nil
	}
	err := await("an instance", func() bool {
		saw["query"] = c.query(s, namespace, group, service, "")
		return strings.Contains(compact(saw["query"]), `"instanceId"`)
	})
	return saw, err
}

// oddRequests asks what no client asks.
func (s *script) oddRequests(c *connection) {
	requests := map[string][2]string{
		"unknown type":          {"OtherRequest", `{}`},
		"no type":               {"", `{}`},
		"type of a push":        {"NotifySubscriberRequest", `{}`},
		"type of a response":    {"InstanceResponse", `{}`},
		"service list of a tag": {"ServiceListRequest", s.namingOf("public", s.prefix+"-none", "", `"pageNo":1,"pageSize":10,"selector":"{\"type\":\"label\",\"expression\":\"a=b\"}"`)},
		"service list, no page": {"ServiceListRequest", s.namingOf("public", s.prefix+"-none", "", `"selector":""`)},
		"body no JSON":          {"HealthCheckRequest", `hello`},
		"body empty":            {"HealthCheckRequest", ``},
		"body a list":           {"HealthCheckRequest", `[]`},
		"a field of a wrong type": {"ServiceListRequest",
			s.namingOf("public", s.prefix+"-none", "", `"pageNo":"one","pageSize":10`)},
		"a number as text": {"ServiceListRequest", s.namingOf("public", s.prefix+"-none", "", `"pageNo":"1","pageSize":"10"`)},
		"persistent instance": {"PersistentInstanceRequest",
			s.inGroup("persistent", `"type":"registerInstance","instance":`+with(`"ephemeral":false`))},
	}
	for _, what := range sorted(requests) {
		s.step("request: "+what, func() (answer, error) { return c.ask(requests[what][0], requests[what][1]), nil })
	}
	s.step("request: still answered after all that", func() (answer, error) { return c.probe(), nil })
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
