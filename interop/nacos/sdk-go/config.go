package main

import (
	"crypto/md5"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nacos-group/nacos-sdk-go/v2/vo"
)

// config runs the steps of configuration by the SDK: a writer, a listener, and a client of another namespace.
func (s *script) config() {
	group := s.prefix + "-group"
	key := vo.ConfigParam{DataId: s.prefix + "-config", Group: group}
	big := vo.ConfigParam{DataId: s.prefix + "-big", Group: group}
	late := vo.ConfigParam{DataId: s.prefix + "-late", Group: group}
	var writer, listener, elsewhere, elsewhereListener *configClient
	var heard, heardBig, heardLate, heardThere ear

	s.step("config clients connect", func() (answer, error) {
		var err error
		for c, namespace := range map[**configClient]string{&writer: "", &listener: "", &elsewhere: s.prefix + "-ns", &elsewhereListener: s.prefix + "-ns"} {
			if *c, err = s.configClient(namespace); err != nil {
				return nil, err
			}
		}
		return answer{}, err
	})
	if writer == nil || listener == nil || elsewhere == nil || elsewhereListener == nil {
		return
	}

	s.step("get: absent", func() (answer, error) { return s.gets(writer, key) })
	s.step("remove: absent", func() (answer, error) {
		return s.asksOn(writer.connection, "ConfigRemoveRequest", func() (any, error) { return writer.DeleteConfig(key) }), nil
	})
	s.step("publish: first write", func() (answer, error) { return s.publishes(writer, key, "v1", "") })
	s.step("publish: the same again", func() (answer, error) { return s.publishes(writer, key, "v1", "") })

	// The SDK starts to listen within 5 s: all of these at once.
	s.step("listen: to one that is there, and to two that are not", func() (answer, error) {
		for param, ear := range map[*vo.ConfigParam]*ear{&key: &heard, &big: &heardBig, &late: &heardLate} {
			listening := *param
			listening.OnChange = ear.hear
			if err := listener.ListenConfig(listening); err != nil {
				return nil, err
			}
		}
		there := key
		there.OnChange = heardThere.hear
		if err := elsewhereListener.ListenConfig(there); err != nil {
			return nil, err
		}
		return heard.until("v1")
	})
	s.step("listen: a change", func() (answer, error) { return s.publishesTo(&heard, writer, key, "v2 äöü 名", "") })
	s.step("listen: 200 000 characters", func() (answer, error) {
		return s.publishesTo(&heardBig, writer, big, strings.Repeat("0123456789", 20_000), "")
	})
	s.step("cas: wrong md5", func() (answer, error) {
		saw, _ := s.publishes(writer, key, "v3", md5Of("v1"))
		return saw, nil
	})
	s.step("cas: right md5", func() (answer, error) { return s.publishesTo(&heard, writer, key, "v3", md5Of("v2 äöü 名")) })
	s.step("cas: absent, md5 0", func() (answer, error) { return s.publishesTo(&heardLate, writer, late, "late", "0") })
	s.step("cas: absent, some md5", func() (answer, error) {
		return s.publishes(writer, vo.ConfigParam{DataId: s.prefix + "-cas", Group: group}, "cas", md5Of("other"))
	})
	s.step("publish: a type", func() (answer, error) {
		return s.publishes(writer, vo.ConfigParam{DataId: s.prefix + "-json", Group: group, Type: "json"}, `{"a":1}`, "")
	})
	s.step("publish: a type that nobody knows", func() (answer, error) {
		return s.publishes(writer, vo.ConfigParam{DataId: s.prefix + "-other", Group: group, Type: "other"}, "a", "")
	})
	s.step("another namespace: get", func() (answer, error) { return s.gets(elsewhere, key) })
	s.step("another namespace: publish", func() (answer, error) {
		saw, err := s.publishes(elsewhere, key, "elsewhere", "")
		if err != nil {
			return saw, err
		}
		saw["here"], err = s.gets(writer, key)
		return saw, err
	})
	s.step("another namespace: listen", func() (answer, error) { return s.publishesTo(&heardThere, elsewhere, key, "elsewhere 2", "") })
	s.step("remove", func() (answer, error) {
		saw := s.asksOn(writer.connection, "ConfigRemoveRequest", func() (any, error) { return writer.DeleteConfig(key) })
		told, err := heard.until("")
		saw["told"] = told
		return saw, err
	})
	s.step("get: removed", func() (answer, error) { return s.gets(writer, key) })
	s.step("publish: after the removal, by cas", func() (answer, error) { return s.publishesTo(&heard, writer, key, "again", "0") })
	s.step("SDK refuses: no content", func() (answer, error) {
		return s.asksOn(writer.connection, "ConfigPublishRequest", func() (any, error) { return writer.PublishConfig(key) }), nil
	})
}

// gets reads. The SDK allows itself five reads a second of a key, and refuses others: those are tried again.
func (s *script) gets(client *configClient, key vo.ConfigParam) (answer, error) {
	var saw answer
	err := awaitEach(100*time.Millisecond, "leave to read", func() bool {
		saw = s.asksOn(client.connection, "ConfigQueryRequest", func() (any, error) { return client.GetConfig(key) })
		return saw["error"] == nil || !strings.HasSuffix(fmt.Sprint(saw["error"]), "is limited")
	})
	return saw, err
}

// publishes writes, and then awaits that the server gives back what was written: it does not at once.
func (s *script) publishes(client *configClient, key vo.ConfigParam, content, casMd5 string) (answer, error) {
	param := key
	param.Content, param.CasMd5 = content, casMd5
	saw := s.asksOn(client.connection, "ConfigPublishRequest", func() (any, error) { return client.PublishConfig(param) })
	if saw["error"] != nil {
		return saw, nil
	}
	err := awaitEach(100*time.Millisecond, "what was published", func() bool {
		got, err := s.gets(client, key)
		saw["read"] = got["wire"]
		return err == nil && got["result"] == content
	})
	if len(content) > 1000 {
		saw["read"] = digest(s.normal(saw["read"]))
	}
	return saw, err
}

// publishesTo writes, and awaits that a listener has it.
func (s *script) publishesTo(ear *ear, client *configClient, key vo.ConfigParam, content, casMd5 string) (answer, error) {
	saw, err := s.publishes(client, key, content, casMd5)
	if err != nil {
		return saw, err
	}
	told, err := ear.until(content)
	saw["told"] = told
	return saw, err
}

// ear is a listener of the SDK. Which contents it is told on the way to the last one is a matter of timing: a server may
// tell of a change before it can be read.
type ear struct {
	mu   sync.Mutex
	told int
	last answer
	data string
}

func (e *ear) hear(namespace, group, dataID, data string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.told++
	e.data = data
	e.last = answer{"namespace": namespace, "group": group, "dataId": dataID, "bytes": len(data), "md5": md5Of(data)}
}

func (e *ear) until(content string) (answer, error) {
	err := await(fmt.Sprintf("the listener to hear %.40q", content), func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		return e.told > 0 && e.data == content
	})
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.last, err
}

func md5Of(content string) string { return fmt.Sprintf("%x", md5.Sum([]byte(content))) }
