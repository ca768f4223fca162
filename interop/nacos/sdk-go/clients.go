package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/nacos-group/nacos-sdk-go/v2/clients"
	"github.com/nacos-group/nacos-sdk-go/v2/clients/config_client"
	"github.com/nacos-group/nacos-sdk-go/v2/clients/naming_client"
	"github.com/nacos-group/nacos-sdk-go/v2/common/constant"
	"github.com/nacos-group/nacos-sdk-go/v2/model"
	"github.com/nacos-group/nacos-sdk-go/v2/vo"
)

func (s *script) clientParam(namespace string) vo.NacosClientParam {
	s.made++
	folder := filepath.Join(s.folder, fmt.Sprint(s.made))
	client := constant.NewClientConfig(
		constant.WithNamespaceId(namespace),
		constant.WithTimeoutMs(5000),
		constant.WithNotLoadCacheAtStart(true),
		constant.WithUpdateCacheWhenEmpty(true),
		constant.WithDisableUseSnapShot(true),
		constant.WithAppName("sdk-go"),
		constant.WithCacheDir(filepath.Join(folder, "cache")),
		constant.WithLogDir(filepath.Join(folder, "log")),
		constant.WithLogLevel("debug"),
	)
	return vo.NacosClientParam{
		ClientConfig:  client,
		ServerConfigs: []constant.ServerConfig{*constant.NewServerConfig(s.host, s.port)},
	}
}

// namingClient makes a client whose connection the server knows: the first requests on a new one can come too early.
func (s *script) namingClient(namespace string) (naming_client.INamingClient, error) {
	client, err := clients.NewNamingClient(s.clientParam(namespace))
	if err != nil {
		return nil, err
	}
	err = awaitEach(50*time.Millisecond, "a naming client's connection", func() bool {
		_, err := client.GetAllServicesInfo(vo.GetAllServiceInfoParam{GroupName: s.prefix, PageNo: 1, PageSize: 1})
		return err == nil
	})
	return client, err
}

// configClient is one of the SDK, and its connection: a listener asks in the background, which is none of a step's answer.
type configClient struct {
	config_client.IConfigClient
	connection string
}

func (s *script) configClient(namespace string) (*configClient, error) {
	client, err := clients.NewConfigClient(s.clientParam(namespace))
	if err != nil {
		return nil, err
	}
	none := fmt.Sprintf("%s-none-%d", s.prefix, s.made)
	err = awaitEach(250*time.Millisecond, "a config client's connection", func() bool {
		_, err := client.GetConfig(vo.ConfigParam{DataId: none, Group: s.prefix})
		return err == nil
	})
	return &configClient{client, s.wire.connectionOf(none)}, err
}

// watch is a subscription of the SDK: the last list of instances it was told.
type watch struct {
	param *vo.SubscribeParam
	mu    sync.Mutex
	told  int
	last  json.RawMessage
	hosts []model.Instance
}

func newWatch(service, group string) *watch {
	w := &watch{last: json.RawMessage("null")}
	w.param = &vo.SubscribeParam{ServiceName: service, GroupName: group, SubscribeCallback: func(hosts []model.Instance, err error) {
		// A copy, since the SDK goes on to sort its own list in place.
		text, jsonErr := json.Marshal(answer{"hosts": hosts, "error": text(err)})
		if jsonErr != nil {
			panic(jsonErr)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.told++
		w.last = text
		w.hosts = append([]model.Instance(nil), hosts...)
	}}
	return w
}

// until awaits a list of instances that satisfies cond and gives it as the SDK's callback got it.
func (w *watch) until(what string, cond func(hosts []model.Instance) bool) (json.RawMessage, error) {
	err := await(what, func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.told > 0 && cond(w.hosts)
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last, err
}

func (w *watch) count(n int) (json.RawMessage, error) {
	return w.until(fmt.Sprintf("%d instances", n), func(hosts []model.Instance) bool { return len(hosts) == n })
}
