package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nacos-group/nacos-sdk-go/v2/clients/naming_client"
	"github.com/nacos-group/nacos-sdk-go/v2/model"
	"github.com/nacos-group/nacos-sdk-go/v2/vo"
)

// naming runs the steps of service discovery by the SDK: two providers, a consumer, and clients of another namespace.
func (s *script) naming() {
	service, group := s.prefix+"-echo", s.prefix+"-group"
	var provider, second, consumer, idle, elsewhere naming_client.INamingClient
	watched := newWatch(service, group)

	s.step("clients connect", func() (answer, error) {
		for _, c := range []*naming_client.INamingClient{&idle, &provider, &second, &consumer} {
			client, err := s.namingClient("")
			if err != nil {
				return nil, err
			}
			*c = client
		}
		return answer{"healthy": provider.ServerHealthy()}, nil
	})
	if consumer == nil {
		return
	}

	s.step("subscribe: nobody there", func() (answer, error) {
		saw := s.asks("SubscribeServiceRequest", func() (any, error) { return nil, consumer.Subscribe(watched.param) })
		told, err := watched.count(0)
		saw["told"] = told
		return saw, err
	})
	s.step("select: nobody there", func() (answer, error) { return selections(consumer, service, group), nil })

	s.step("register one", func() (answer, error) {
		saw := s.registers(provider, service, group, instance("10.9.0.1", 20880, func(p *vo.RegisterInstanceParam) {
			p.Metadata = map[string]string{"revision": "r1", "protocol": "tri"}
		}))
		told, err := watched.count(1)
		saw["told"] = told
		return saw, err
	})
	s.step("select: one there", func() (answer, error) { return selections(consumer, service, group), nil })

	s.step("update metadata in place", func() (answer, error) {
		return s.updates(provider, watched, service, group, func(p *vo.UpdateInstanceParam) {
			p.Metadata = map[string]string{"revision": "r2", "名": "wert \"ü\" \n"}
		}, func(h model.Instance) bool { return h.Metadata["revision"] == "r2" })
	})
	s.step("update: unhealthy", func() (answer, error) {
		return s.updates(provider, watched, service, group, func(p *vo.UpdateInstanceParam) { p.Healthy = false },
			func(h model.Instance) bool { return !h.Healthy || h.Metadata["revision"] == "" })
	})
	s.step("select: only an unhealthy one there", func() (answer, error) { return selections(consumer, service, group), nil })
	s.step("update: weight 0", func() (answer, error) {
		return s.updates(provider, watched, service, group, func(p *vo.UpdateInstanceParam) { p.Weight = 0 },
			func(h model.Instance) bool { return h.Weight == 0 })
	})
	s.step("update: disabled", func() (answer, error) {
		saw := s.asks("InstanceRequest", func() (any, error) {
			return provider.UpdateInstance(update(service, group, func(p *vo.UpdateInstanceParam) { p.Enable = false }))
		})
		told, err := watched.count(0)
		saw["told"] = told
		return saw, err
	})
	s.step("update: enabled again, beats of its own, another cluster", func() (answer, error) {
		return s.updates(provider, watched, service, group, func(p *vo.UpdateInstanceParam) {
			p.ClusterName = "east-1"
			p.Metadata = map[string]string{
				"preserved.heart.beat.interval": "3000",
				"preserved.heart.beat.timeout":  "9000",
				"preserved.ip.delete.timeout":   "12000",
			}
		}, func(h model.Instance) bool { return h.ClusterName == "east-1" })
	})

	s.step("a second client registers", func() (answer, error) {
		saw := s.registers(second, service, group, instance("10.9.0.2", 20880))
		told, err := watched.count(2)
		saw["told"] = told
		return saw, err
	})
	s.step("select by cluster", func() (answer, error) {
		hosts, err := consumer.SelectAllInstances(vo.SelectAllInstancesParam{ServiceName: service, GroupName: group, Clusters: []string{"east-1"}})
		return answer{"hosts": hosts, "error": text(err)}, nil
	})
	s.step("the second client closes", func() (answer, error) {
		second.CloseClient()
		told, err := watched.count(1)
		return answer{"told": told}, err
	})
	s.step("deregister", func() (answer, error) {
		saw := s.deregisters(provider, service, group, "10.9.0.1", "east-1")
		told, err := watched.count(0)
		saw["told"] = told
		return saw, err
	})
	s.step("deregister again", func() (answer, error) {
		return s.deregisters(provider, service, group, "10.9.0.1", "east-1"), nil
	})
	s.step("deregister from a service that never was", func() (answer, error) {
		return s.deregisters(provider, s.prefix+"-never", group, "10.9.0.1", ""), nil
	})

	batch := []vo.RegisterInstanceParam{
		instance("10.9.1.1", 1, func(p *vo.RegisterInstanceParam) { p.Metadata = map[string]string{"n": "1"} }),
		instance("10.9.1.1", 2, func(p *vo.RegisterInstanceParam) { p.Weight = 0.5 }),
		instance("10.9.1.3", 3, func(p *vo.RegisterInstanceParam) { p.ClusterName = "west" }),
		instance("10.9.1.4", 4, func(p *vo.RegisterInstanceParam) { p.Healthy = false }),
		instance("10.9.1.5", 5, func(p *vo.RegisterInstanceParam) { p.Enable = false }),
	}
	s.step("batch register five, one disabled", func() (answer, error) {
		return s.batches(provider, watched, service, group, batch, 4)
	})
	s.step("select: a batch there", func() (answer, error) {
		saw := selections(consumer, service, group)
		delete(saw, "one healthy") // One of three, by chance.
		return saw, nil
	})
	s.step("batch replaces batch", func() (answer, error) { return s.batches(provider, watched, service, group, batch[:2], 2) })
	s.step("register one replaces the batch", func() (answer, error) {
		saw := s.registers(provider, service, group, instance("10.9.2.1", 1))
		told, err := watched.count(1)
		saw["told"] = told
		return saw, err
	})
	s.step("batch once more", func() (answer, error) { return s.batches(provider, watched, service, group, batch[:3], 3) })
	s.step("deregister one of the batch", func() (answer, error) {
		saw := s.deregisters(provider, service, group, "10.9.1.1", "")
		told, err := watched.until("fewer than 3", func(hosts []model.Instance) bool { return len(hosts) < 3 })
		saw["told"] = told
		return saw, err
	})
	s.step("batch of 500", func() (answer, error) {
		many := make([]vo.RegisterInstanceParam, 500)
		for i := range many {
			many[i] = instance(fmt.Sprintf("10.8.%d.%d", i/250, i%250), 20880, func(p *vo.RegisterInstanceParam) {
				p.Metadata = map[string]string{"revision": strings.Repeat("r", 200), "n": fmt.Sprint(i)}
			})
		}
		saw, err := s.batches(provider, watched, service, group, many, 500)
		saw["told"] = digest(s.normal(saw["told"]))
		return saw, err
	})
	s.step("the provider closes", func() (answer, error) {
		provider.CloseClient()
		told, err := watched.count(0)
		return answer{"told": told}, err
	})
	s.step("unsubscribe", func() (answer, error) {
		return s.asks("SubscribeServiceRequest", func() (any, error) { return nil, consumer.Unsubscribe(watched.param) }), nil
	})

	s.lists(consumer)

	s.step("another namespace", func() (answer, error) {
		var err error
		if elsewhere, err = s.namingClient(s.prefix + "-ns"); err != nil {
			return nil, err
		}
		here, there := newWatch(service, group), newWatch(service, group)
		if err := consumer.Subscribe(here.param); err != nil {
			return nil, err
		}
		if err := elsewhere.Subscribe(there.param); err != nil {
			return nil, err
		}
		saw := s.registers(elsewhere, service, group, instance("10.9.3.1", 1))
		if saw["there"], err = there.count(1); err != nil {
			return saw, err
		}
		// Had it come here, it would be here by now: the same client's next service is.
		after := newWatch(service+"-after", group)
		if err := consumer.Subscribe(after.param); err != nil {
			return nil, err
		}
		saw["after"] = s.registers(consumer, service+"-after", group, instance("10.9.3.2", 1))
		if _, err = after.count(1); err != nil {
			return saw, err
		}
		saw["here"], err = here.count(0)
		return saw, err
	})
	s.step("lists of two namespaces", func() (answer, error) {
		here, hereErr := consumer.GetAllServicesInfo(vo.GetAllServiceInfoParam{GroupName: group, PageNo: 1, PageSize: 10})
		there, thereErr := elsewhere.GetAllServicesInfo(vo.GetAllServiceInfoParam{GroupName: group, PageNo: 1, PageSize: 10})
		slices.Sort(here.Doms)
		return answer{"here": here, "there": there, "errors": []any{text(hereErr), text(thereErr)}}, nil
	})

	s.step("an idle client asked for the server's health", func() (answer, error) {
		err := await("a health check", func() bool { return len(s.wire.since(0, "HealthCheckRequest", "")) > 0 })
		return answer{"wire": s.wire.since(0, "HealthCheckRequest", ""), "healthy": idle.ServerHealthy()}, err
	})
	idle.CloseClient()
	consumer.CloseClient()
	elsewhere.CloseClient()
}

// lists pages through the services of a group. The order of names is the server's own: pages are joined and sorted.
func (s *script) lists(client naming_client.INamingClient) {
	group := s.prefix + "-lists"
	page := func(no, size uint32) (model.ServiceList, error) {
		return client.GetAllServicesInfo(vo.GetAllServiceInfoParam{GroupName: group, PageNo: no, PageSize: size})
	}
	s.step("list: no such group", func() (answer, error) {
		return s.asks("ServiceListRequest", func() (any, error) { return page(1, 10) }), nil
	})
	s.step("list: five services in pages of two", func() (answer, error) {
		for i := range 5 {
			s.registers(client, fmt.Sprintf("%s-list-%d", s.prefix, i), group, instance("10.9.4.1", uint64(i)))
		}
		err := awaitEach(20*time.Millisecond, "5 services", func() bool {
			list, err := page(1, 10)
			return err == nil && list.Count == 5
		})
		if err != nil {
			return nil, err
		}
		names, pages := map[string]bool{}, []answer{}
		for no := range uint32(5) {
			list, err := page(no, 2)
			pages = append(pages, answer{"page": no, "count": list.Count, "names": len(list.Doms), "error": text(err)})
			for _, name := range list.Doms {
				names[name] = true
			}
		}
		return answer{"pages": pages, "names": slices.Sorted(maps.Keys(names))}, nil
	})
	s.step("list: page of size 0", func() (answer, error) {
		return s.asks("ServiceListRequest", func() (any, error) { return page(1, 0) }), nil
	})
	s.step("list: a service without instances", func() (answer, error) {
		s.deregisters(client, s.prefix+"-list-0", group, "10.9.4.1", "")
		list, err := page(1, 10)
		return answer{"count": list.Count, "error": text(err)}, nil
	})
}

// asks runs a call of the SDK; with its result comes what the server answered to requests of a type meanwhile.
func (s *script) asks(request string, call func() (any, error)) answer {
	return s.asksOn("", request, call)
}

// asksOn is asks for a client whose connection is not the only one in use.
func (s *script) asksOn(connection, request string, call func() (any, error)) answer {
	mark := s.wire.mark()
	result, err := call()
	return answer{"result": result, "error": text(err), "wire": s.wire.since(mark, request, connection)}
}

func (s *script) registers(client naming_client.INamingClient, service, group string, param vo.RegisterInstanceParam) answer {
	param.ServiceName, param.GroupName = service, group
	return s.asks("InstanceRequest", func() (any, error) { return client.RegisterInstance(param) })
}

func (s *script) deregisters(client naming_client.INamingClient, service, group, ip, cluster string) answer {
	return s.asks("InstanceRequest", func() (any, error) {
		return client.DeregisterInstance(vo.DeregisterInstanceParam{
			Ip: ip, Port: 20880, Cluster: cluster, ServiceName: service, GroupName: group, Ephemeral: true,
		})
	})
}

func (s *script) batches(client naming_client.INamingClient, watched *watch, service, group string, batch []vo.RegisterInstanceParam, visible int) (answer, error) {
	saw := s.asks("BatchInstanceRequest", func() (any, error) {
		return client.BatchRegisterInstance(vo.BatchRegisterInstanceParam{ServiceName: service, GroupName: group, Instances: batch})
	})
	told, err := watched.count(visible)
	saw["told"] = told
	return saw, err
}

// updates changes the instance that "register one" registered, and awaits that the consumer is told.
func (s *script) updates(
	client naming_client.INamingClient, watched *watch, service, group string,
	change func(p *vo.UpdateInstanceParam), changed func(h model.Instance) bool,
) (answer, error) {
	saw := s.asks("InstanceRequest", func() (any, error) { return client.UpdateInstance(update(service, group, change)) })
	told, err := watched.until("the update", func(hosts []model.Instance) bool { return len(hosts) == 1 && changed(hosts[0]) })
	saw["told"] = told
	return saw, err
}

func update(service, group string, change func(p *vo.UpdateInstanceParam)) vo.UpdateInstanceParam {
	param := vo.UpdateInstanceParam{
		Ip: "10.9.0.1", Port: 20880, Weight: 1, Enable: true, Healthy: true, Ephemeral: true, ServiceName: service, GroupName: group,
	}
	change(&param)
	return param
}

func instance(ip string, port uint64, changes ...func(p *vo.RegisterInstanceParam)) vo.RegisterInstanceParam {
	param := vo.RegisterInstanceParam{Ip: ip, Port: port, Weight: 1, Enable: true, Healthy: true, Ephemeral: true}
	for _, change := range changes {
		change(&param)
	}
	return param
}

// selections is what all ways to select say of a service.
func selections(client naming_client.INamingClient, service, group string) answer {
	all, allErr := client.SelectAllInstances(vo.SelectAllInstancesParam{ServiceName: service, GroupName: group})
	healthy, healthyErr := client.SelectInstances(vo.SelectInstancesParam{ServiceName: service, GroupName: group, HealthyOnly: true})
	unhealthy, unhealthyErr := client.SelectInstances(vo.SelectInstancesParam{ServiceName: service, GroupName: group, HealthyOnly: false})
	one, oneErr := client.SelectOneHealthyInstance(vo.SelectOneHealthInstanceParam{ServiceName: service, GroupName: group})
	whole, wholeErr := client.GetService(vo.GetServiceParam{ServiceName: service, GroupName: group})
	return answer{
		"all":         answer{"hosts": all, "error": text(allErr)},
		"healthy":     answer{"hosts": healthy, "error": text(healthyErr)},
		"unhealthy":   answer{"hosts": unhealthy, "error": text(unhealthyErr)},
		"one healthy": answer{"host": one, "error": text(oneErr)},
		"service":     answer{"service": whole, "error": text(wholeErr)},
	}
}
