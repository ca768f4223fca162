package main

import (
	"encoding/json"
	"fmt"
	"strings"
)

// protocol runs the steps that the SDK never takes, by the protocol itself.
func (s *script) protocol() {
	s.handshake()
	c, err := s.connect()
	if err != nil {
		s.step("protocol: connect", func() (answer, error) { return nil, err })
		return
	}
	defer c.close()
	other, err := s.connect()
	if err != nil {
		s.step("protocol: connect", func() (answer, error) { return nil, err })
		return
	}
	defer other.close()
	s.subscriptions(c, other)
	s.names(c)
	s.instances(c)
	s.batchesOf(c)
	s.configNames(c)
	s.configListening(c, other)
	s.oddRequests(c)
}

func (s *script) handshake() {
	c, err := s.dial()
	if err != nil {
		return
	}
	defer c.close()
	s.step("protocol: server check", func() (answer, error) { return c.ask("ServerCheckRequest", serverCheck), nil })
	s.step("protocol: a request before the setup", func() (answer, error) {
		return c.ask("ServiceQueryRequest", s.inGroup("query", `"cluster":"","healthyOnly":false,"udpPort":0`)), nil
	})
	s.step("protocol: a health check before the setup", func() (answer, error) { return c.probe(), nil })
	s.step("protocol: setup with abilities", func() (answer, error) {
		if err := c.open(); err != nil {
			return nil, err
		}
		if err := c.send("ConnectionSetupRequest", setup); err != nil {
			return nil, err
		}
		return c.awaitPush("SetupAckRequest", 0)
	})
	s.step("protocol: health check", func() (answer, error) { return c.probe(), nil })
	s.step("protocol: server check after the setup", func() (answer, error) { return c.ask("ServerCheckRequest", serverCheck), nil })

	s.step("protocol: setup of a client without abilities", func() (answer, error) {
		old, err := s.dial()
		if err != nil {
			return nil, err
		}
		defer old.close()
		old.ask("ServerCheckRequest", serverCheck)
		if err := old.open(); err != nil {
			return nil, err
		}
		err = old.send("ConnectionSetupRequest", `{"requestId":"2","clientVersion":"Nacos-Go-Client:v2.1.0","tenant":"","labels":{},"module":"internal","clientAbilities":{}}`)
		if err != nil {
			return nil, err
		}
		err = await("a registered connection", func() bool {
			return strings.Contains(compact(old.probe()), `"success":true`)
		})
		return answer{"probe": old.probe(), "pushes": old.kinds(0)}, err
	})
	s.step("protocol: a client ends its stream", func() (answer, error) {
		leaving, err := s.connect()
		if err != nil {
			return nil, err
		}
		defer leaving.close()
		watcher, err := s.connect()
		if err != nil {
			return nil, err
		}
		defer watcher.close()
		name := s.prefix + "-leaving"
		watcher.subscribe(s, name, "")
		leaving.ask("InstanceRequest", s.namingOf("public", s.prefix+"-p", name, `"type":"registerInstance","instance":`+plain))
		if _, err := watcher.awaitPush("NotifySubscriberRequest", 0, name, "10.9.5.1"); err != nil {
			return nil, err
		}
		if err := leaving.stream.CloseSend(); err != nil {
			return nil, err
		}
		// Two more changes of the service: the second push is surely later than whatever the end of the stream did.
		mark := len(watcher.pushed())
		watcher.ask("InstanceRequest", s.namingOf("public", s.prefix+"-p", name, `"type":"registerInstance","instance":`+at("10.9.5.2")))
		if _, err := watcher.awaitPush("NotifySubscriberRequest", mark, name, "10.9.5.2"); err != nil {
			return nil, err
		}
		mark = len(watcher.pushed())
		watcher.ask("InstanceRequest", s.namingOf("public", s.prefix+"-p", name, `"type":"registerInstance","instance":`+at("10.9.5.3")))
		last, err := watcher.awaitPush("NotifySubscriberRequest", mark, name, "10.9.5.3")
		return answer{"after": last, "still answered": leaving.probe()}, err
	})
}

func (s *script) subscriptions(c, other *connection) {
	group := s.prefix + "-p"
	name := s.prefix + "-sub"
	s.step("protocol: subscribe, register, push", func() (answer, error) {
		mark := len(c.pushed())
		subscribed := c.subscribe(s, name, "")
		registered := other.ask("InstanceRequest", s.namingOf("public", group, name, `"type":"registerInstance","instance":`+plain))
		pushed, err := c.awaitPush("NotifySubscriberRequest", mark, name, "10.9.5.1")
		return answer{"subscribed": subscribed, "registered": registered, "pushed": pushed}, err
	})
	s.step("protocol: subscribe to what is there", func() (answer, error) {
		return answer{"subscribed": other.subscribe(s, name, "")}, nil
	})
	s.step("protocol: query", func() (answer, error) { return answer{"query": c.query(s, "public", group, name, "")}, nil })
	s.step("protocol: query of a cluster", func() (answer, error) { return answer{"query": c.query(s, "public", group, name, "west")}, nil })
	s.step("protocol: query of a service that never was", func() (answer, error) {
		return answer{"query": c.query(s, "public", group, s.prefix+"-never", "")}, nil
	})
	s.step("protocol: query by the grouped name", func() (answer, error) {
		return answer{"query": c.query(s, "public", group, group+"@@"+name, "")}, nil
	})
	s.step("protocol: the same instance from two clients", func() (answer, error) {
		c.ask("InstanceRequest", s.namingOf("public", group, name, `"type":"registerInstance","instance":`+plain))
		c.ask("InstanceRequest", s.namingOf("public", group, name+"-mark", `"type":"registerInstance","instance":`+plain))
		// By then the first one is there too.
		err := await("the mark", func() bool { return c.hosts(s, group, name+"-mark") == 1 })
		return answer{"query": c.query(s, "public", group, name, "")}, err
	})
	s.step("protocol: one address, two clients, other metadata", func() (answer, error) {
		mark := len(c.pushed())
		c.ask("InstanceRequest", s.namingOf("public", group, name, `"type":"registerInstance","instance":`+with(`"metadata":{"from":"second"}`)))
		pushed, err := c.awaitPush("NotifySubscriberRequest", mark, name, "second")
		return answer{"pushed": pushed, "query": c.query(s, "public", group, name, "")}, err
	})
	s.step("protocol: one of the two deregisters", func() (answer, error) {
		c.ask("InstanceRequest", s.namingOf("public", group, name, `"type":"deregisterInstance","instance":`+plain))
		err := await("one instance", func() bool { return c.hosts(s, group, name) == 1 })
		return answer{"query": c.query(s, "public", group, name, "")}, err
	})
	s.step("protocol: subscribe to one cluster", func() (answer, error) {
		service := s.prefix + "-clusters"
		mark := len(c.pushed())
		subscribed := c.subscribe(s, service, "west")
		other.ask("BatchInstanceRequest", s.namingOf("public", group, service, `"type":"batchRegisterInstance","instances":[`+
			at("10.9.6.1")+`,`+with(`"ip":"10.9.6.2","clusterName":"west"`)+`,`+with(`"ip":"10.9.6.3","clusterName":"west","healthy":false`)+`]`))
		pushed, err := c.awaitPush("NotifySubscriberRequest", mark, service, "10.9.6.2")
		return answer{
			"subscribed": subscribed, "pushed": pushed, "query": c.query(s, "public", group, service, "west"),
			"healthy only": c.ask("ServiceQueryRequest", s.namingOf("public", group, service, `"cluster":"","healthyOnly":true,"udpPort":0`)),
		}, err
	})
	s.step("protocol: only unhealthy ones", func() (answer, error) {
		service := s.prefix + "-unhealthy"
		mark := len(c.pushed())
		c.subscribe(s, service, "")
		other.ask("InstanceRequest", s.namingOf("public", group, service, `"type":"registerInstance","instance":`+with(`"healthy":false`)))
		pushed, err := c.awaitPush("NotifySubscriberRequest", mark, service, "10.9.5.1")
		return answer{
			"pushed": pushed, "query": c.query(s, "public", group, service, ""),
			"healthy only": c.ask("ServiceQueryRequest", s.namingOf("public", group, service, `"cluster":"","healthyOnly":true,"udpPort":0`)),
			"subscribed":   other.subscribe(s, service, ""),
		}, err
	})
	s.step("protocol: unsubscribed, no push comes", func() (answer, error) {
		service, after := s.prefix+"-quiet", s.prefix+"-after"
		c.subscribe(s, service, "")
		c.subscribe(s, after, "")
		unsubscribed := c.ask("SubscribeServiceRequest", s.namingOf("public", group, service, `"subscribe":false,"clusters":""`))
		mark := len(c.pushed())
		other.subscribe(s, service, "")
		theirs := len(other.pushed())
		other.ask("InstanceRequest", s.namingOf("public", group, service, `"type":"registerInstance","instance":`+plain))
		if _, err := other.awaitPush("NotifySubscriberRequest", theirs, service, "10.9.5.1"); err != nil {
			return nil, err
		}
		other.ask("InstanceRequest", s.namingOf("public", group, after, `"type":"registerInstance","instance":`+plain))
		_, err := c.awaitPush("NotifySubscriberRequest", mark, after, "10.9.5.1")
		told := 0
		for _, p := range c.pushed()[mark:] {
			if strings.Contains(string(p.body), service) {
				told++
			}
		}
		return answer{"unsubscribed": unsubscribed, "pushes of the service": told}, err
	})
	s.step("protocol: namespace empty, namespace public", func() (answer, error) {
		service := s.prefix + "-public"
		registered := c.ask("InstanceRequest", s.namingOf("", group, service, `"type":"registerInstance","instance":`+plain))
		query := func() answer { return c.query(s, "", group, service, "") }
		err := await("one instance", func() bool { return strings.Contains(compact(query()), "10.9.5.1") })
		return answer{"registered": registered, "in empty": query(), "in public": c.query(s, "public", group, service, "")}, err
	})
}

const plain = `{"ip":"10.9.5.1","port":20880,"weight":1.0,"healthy":true,"enabled":true,"ephemeral":true,"clusterName":"DEFAULT","metadata":{"k":"v"}}`

func at(ip string) string { return strings.Replace(plain, "10.9.5.1", ip, 1) }

// with is a plain instance with some fields instead of its own.
func with(fields string) string {
	var merged map[string]any
	for _, text := range []string{plain, "{" + fields + "}"} {
		if err := json.Unmarshal([]byte(text), &merged); err != nil {
			panic(fmt.Sprintf("%s: %v", text, err))
		}
	}
	return compact(merged)
}

// namingOf is a request's body.
func (s *script) namingOf(namespace, group, service, more string) string {
	head := compact(answer{"requestId": "9", "namespace": namespace, "module": "naming", "groupName": group, "serviceName": service})
	return strings.TrimSuffix(head, "}") + "," + more + "}"
}

func (s *script) inGroup(service, more string) string {
	return s.namingOf("public", s.prefix+"-p", s.prefix+"-"+service, more)
}

func (c *connection) subscribe(s *script, service, clusters string) answer {
	return c.ask("SubscribeServiceRequest", s.namingOf("public", s.prefix+"-p", service, fmt.Sprintf(`"subscribe":true,"clusters":%q`, clusters)))
}

func (c *connection) query(s *script, namespace, group, service, cluster string) answer {
	return c.ask("ServiceQueryRequest", s.namingOf(namespace, group, service, fmt.Sprintf(`"cluster":%q,"healthyOnly":false,"udpPort":0`, cluster)))
}

// hosts is the number of instances that a query finds.
func (c *connection) hosts(s *script, group, service string) int {
	return strings.Count(compact(c.query(s, "public", group, service, "")), `"instanceId"`)
}
