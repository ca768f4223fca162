package interop.peer;

import interop.peer.users.UserProvider;
import interop.peer.users.Users;
import interop.peer.users.UsersCaller;

import java.io.PrintStream;
import java.util.HashMap;
import java.util.Map;

import org.apache.dubbo.config.ProtocolConfig;
import org.apache.dubbo.config.ReferenceConfig;
import org.apache.dubbo.config.ServiceConfig;
import org.apache.dubbo.config.bootstrap.DubboBootstrap;
import org.apache.dubbo.rpc.service.GenericService;

/** The provider and the consumer of interop.peer.users.UserProvider: plain Java over Triple, no .proto file. */
final class UsersPeer {
    private final Options options;
    private final PrintStream out;

    UsersPeer(Options options, PrintStream out) {
        this.options = options;
        this.out = out;
    }

    void serve(DubboBootstrap bootstrap) {
        ProtocolConfig protocol = new ProtocolConfig("tri", options.number("port", 20000));
        if (!options.text("host", "").isEmpty()) {
            protocol.setHost(options.text("host", ""));
        }
        String serialization = options.text("serialization", "");
        if (!serialization.isEmpty()) {
            protocol.setSerialization(serialization);
            protocol.setPreferSerialization(serialization);
        }
        ServiceConfig<UserProvider> service = new ServiceConfig<>();
        service.setInterface(UserProvider.class);
        service.setRef(new Users());
        if (!options.text("group", "").isEmpty()) {
            service.setGroup(options.text("group", ""));
        }
        if (!options.text("version", "").isEmpty()) {
            service.setVersion(options.text("version", ""));
        }
        bootstrap.protocol(protocol).service(service).start();
        out.println("READY");
        out.flush();
        bootstrap.await();
    }

    boolean call(DubboBootstrap bootstrap) {
        ReferenceConfig<UserProvider> reference = new ReferenceConfig<>();
        ReferenceConfig<GenericService> generic = new ReferenceConfig<>();
        reference.setInterface(UserProvider.class);
        generic.setInterface(UserProvider.class.getName());
        generic.setGeneric("true");
        for (ReferenceConfig<?> one : new ReferenceConfig<?>[] {reference, generic}) {
            one.setProtocol("tri");
            one.setTimeout(options.millis("timeout", "5s"));
            one.setRetries(0);
            one.setCheck(true);
            if (!options.text("url", "").isEmpty()) {
                one.setUrl(options.text("url", ""));
            }
            if (!options.text("serialization", "").isEmpty()) {
                one.setParameters(new HashMap<>(Map.of(
                        "serialization",
                        options.text("serialization", ""),
                        "prefer.serialization",
                        options.text("serialization", ""))));
            }
            if (!options.text("group", "").isEmpty()) {
                one.setGroup(options.text("group", ""));
            }
            if (!options.text("version", "").isEmpty()) {
                one.setVersion(options.text("version", ""));
            }
            if (!options.text("provided-by", "").isEmpty()) {
                one.setProvidedBy(options.text("provided-by", ""));
            }
            bootstrap.reference(one);
        }
        bootstrap.start();
        UsersCaller caller = new UsersCaller(out);
        caller.interfaceCalls(reference.get(), options.text("status", "StatusRpcException PERMISSION_DENIED: not allowed"));
        caller.genericCalls(generic.get());
        boolean good = caller.genericException(
                generic.get(),
                "GenericException of interop.peer.users.UserNotFoundException: no user missing");
        bootstrap.stop();
        return good;
    }
}
