// Nodes as real peers wrote them, byte for byte: dubbo-go 3.3.2 and dubbo-java 3.3.6, `registry-type` all and metadata remote.
/** What Curator, and so dubbo-java, writes into the parents that it makes. */
export const JAVA_PARENT = "127.0.0.1";

export const GO_INSTANCE = {
  path: "/services/go-provider/192.0.2.2:20000",
  data: '{"name":"go-provider","id":"192.0.2.2:20000","address":"192.0.2.2","port":20000,"payload":{"@class":"org.apache.dubbo.registry.zookeeper.ZookeeperInstance","id":"192.0.2.2:20000","metadata":{"dubbo.endpoints":"[{\\"port\\":20000,\\"protocol\\":\\"tri\\"}]","dubbo.metadata-service.url-params":"{\\"group\\":\\"go-provider\\",\\"port\\":\\"35159\\",\\"protocol\\":\\"dubbo\\",\\"release\\":\\"3.3.2\\",\\"serialization\\":\\"hessian2\\",\\"version\\":\\"1.0.0\\"}","dubbo.metadata.revision":"75c64b6a6b708973961353a339299164f1cc88a349a84084002f90c109bedd07e2e7112d17cb5c8238359c6c487d6d233ee4ed64124de9b9d5269596759b4d63","dubbo.metadata.storage-type":"local","dubbo.subscribed-services.revision":"0","meta-v":"1.0.0","registry.id":"main"},"name":"go-provider"}}',
  ephemeral: true,
};

export const GO_PROVIDER = {
  path: "/dubbo/greet.GreetService/providers/tri%3A%2F%2F192.0.2.2%3A20000%2Fgreet.GreetService%3FIDL-mode%3DIDL%26anyhost%3Dtrue%26application%3Dgo-provider%26bean.name%3DGreeter%26cluster%3Dfailover%26export%3Dtrue%26interface%3Dgreet.GreetService%26loadbalance%3Drandom%26max-server-recv-msg-size%3D4mib%26methods%3DGreet%2Cgreet%2CGreetBidiStream%2CgreetBidiStream%2CGreetClientStream%2CgreetClientStream%2CGreetServerStream%2CgreetServerStream%26module%3Dsample%26name%3Dgo-provider%26organization%3Ddubbo-go%26owner%3Ddubbo-go%26pid%3D3708%26registry%3Dzookeeper%26registry.role%3D3%26registry.type%3Dall%26release%3Ddubbo-golang-3.3.2%26service.filter%3Decho%2Ctoken%2Caccesslog%2Ctps%2Cgeneric_service%2Cexecute%2Cpshutdown%26side%3Dprovider%26timestamp%3D1795412884%26weight%3D0",
  data: "",
  ephemeral: true,
};

export const JAVA_INSTANCE = {
  path: "/services/java-provider/192.0.2.2:20010",
  data: '{"name":"java-provider","id":"192.0.2.2:20010","address":"192.0.2.2","port":20010,"sslPort":null,"payload":{"@class":"org.apache.dubbo.registry.zookeeper.ZookeeperInstance","id":"192.0.2.2:20010","name":"java-provider","metadata":{"dubbo.endpoints":"[{\\"port\\":20010,\\"protocol\\":\\"tri\\"}]","dubbo.metadata-service.url-params":"{\\"prefer.serialization\\":\\"hessian2,fastjson2\\",\\"version\\":\\"2.0.0\\",\\"dubbo\\":\\"2.0.2\\",\\"release\\":\\"3.3.6\\",\\"side\\":\\"provider\\",\\"port\\":\\"20010\\",\\"protocol\\":\\"tri\\"}","dubbo.metadata.revision":"0c6ac8805d1d679161952c70d306305f","dubbo.metadata.storage-type":"local","meta-v":"2.0.0","timestamp":"1795413024482"}},"registrationTimeUTC":1795413026041,"serviceType":"DYNAMIC","uriSpec":null}',
  ephemeral: true,
};

export const JAVA_PROVIDER = {
  path: "/dubbo/greet.GreetService/providers/tri%3A%2F%2F192.0.2.2%3A20010%2Fgreet.GreetService%3Fapplication%3Djava-provider%26deprecated%3Dfalse%26dubbo%3D2.0.2%26dynamic%3Dtrue%26generic%3Dfalse%26interface%3Dgreet.GreetService%26metadata-type%3Dlocal%26methods%3Dgreet%2CgreetAsync%2CgreetBidiStream%2CgreetClientStream%2CgreetServerStream%26prefer.serialization%3Dhessian2%2Cfastjson2%26proxy%3Dnativestub%26release%3D3.3.6%26revision%3Djava%26service-name-mapping%3Dtrue%26side%3Dprovider%26timestamp%3D1795413024482",
  data: "127.0.0.1",
  ephemeral: true,
};

export const GO_METADATA = {
  path: "/dubbo/go-provider/a4511178f8b2989f7ae5bce64ce05be052baf1f79e4aec9fe1386cab3ab389071824a31eaa97dd766de2cac7638f354161c55da6f9bc4b02afb97984f7ad93ad",
  data: '{"app":"go-provider","revision":"a4511178f8b2989f7ae5bce64ce05be052baf1f79e4aec9fe1386cab3ab389071824a31eaa97dd766de2cac7638f354161c55da6f9bc4b02afb97984f7ad93ad","services":{"greet.GreetService:tri":{"name":"greet.GreetService","protocol":"tri","port":20000,"path":"greet.GreetService","params":{"application":"go-provider","cluster":"failover","loadbalance":"random","methods":"Greet,greet,GreetBidiStream,greetBidiStream,GreetClientStream,greetClientStream,GreetServerStream,greetServerStream","release":"dubbo-golang-3.3.2","timestamp":"1795412877","weight":"0"}}},"lastUpdatedTime":1795412877877}',
  ephemeral: false,
};

export const JAVA_METADATA = {
  path: "/dubbo/metadata/java-provider/eed06426043619e53f4eb99483230a06",
  data: '{"app":"java-provider","revision":"eed06426043619e53f4eb99483230a06","services":{"greet.GreetService:tri":{"name":"greet.GreetService","params":{"side":"provider","release":"3.3.6","methods":"greet,greetAsync,greetBidiStream,greetClientStream,greetServerStream","deprecated":"false","dubbo":"2.0.2","interface":"greet.GreetService","service-name-mapping":"true","generic":"false","revision":"java","proxy":"nativestub","metadata-type":"remote","application":"java-provider","prefer.serialization":"hessian2,fastjson2","dynamic":"true","REGISTRY_CLUSTER":"default"},"path":"greet.GreetService","port":20010,"protocol":"tri"}}}',
  ephemeral: false,
};
