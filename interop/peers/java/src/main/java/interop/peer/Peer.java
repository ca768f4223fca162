package interop.peer;

import greet.GreetService;

import java.io.PrintStream;
import java.util.Arrays;

import org.apache.dubbo.config.ApplicationConfig;
import org.apache.dubbo.config.MetadataReportConfig;
import org.apache.dubbo.config.ProtocolConfig;
import org.apache.dubbo.config.ReferenceConfig;
import org.apache.dubbo.config.RegistryConfig;
import org.apache.dubbo.config.ServiceConfig;
import org.apache.dubbo.config.bootstrap.DubboBootstrap;

/** A dubbo-java peer for interop tests: a provider and a consumer of greet.GreetService. */
public final class Peer {
    private static final String USAGE = String.join(
            "\n",
            "usage:",
            "  peer-java server --port 20000 [--registry zookeeper://127.0.0.1:2181] [flags]",
            "  peer-java users-server, users-client: the same with interop.peer.users.UserProvider, which has no .proto file",
            "  peer-java client (--registry zookeeper://127.0.0.1:2181 | --url tri://127.0.0.1:20000) [flags]",
            "");

    private final Options options;
    private final PrintStream out;

    private Peer(Options options, PrintStream out) {
        this.options = options;
        this.out = out;
    }

    public static void main(String[] args) {
        PrintStream out = System.out;
        System.setOut(System.err);
        if (args.length == 0) {
            System.err.print(USAGE);
            System.exit(2);
        }
        boolean good = false;
        try {
            Options options = new Options(Arrays.copyOfRange(args, 1, args.length));
            System.setProperty("org.slf4j.simpleLogger.defaultLogLevel", options.text("log", "warn"));
            Peer peer = new Peer(options, out);
            switch (args[0]) {
                case "server":
                    peer.serve();
                    return;
                case "client":
                    good = peer.call();
                    break;
                case "users-server":
                    new UsersPeer(options, out).serve(peer.bootstrap("java-users"));
                    return;
                case "users-client":
                    good = new UsersPeer(options, out).call(peer.bootstrap("java-users-consumer"));
                    break;
                default:
                    System.err.print(USAGE);
                    System.exit(2);
            }
        } catch (Throwable e) {
            e.printStackTrace();
        }
        if (!good) {
            System.err.println("peer-java: a call did not go as expected");
        }
        System.exit(good ? 0 : 1);
    }

    private DubboBootstrap bootstrap(String app) {
        String iface = options.text("interface", GreetService.SERVICE_NAME);
        if (!iface.equals(GreetService.SERVICE_NAME)) {
            throw new IllegalArgumentException("--interface: peer-java speaks " + GreetService.SERVICE_NAME + " only");
        }
        String mode = options.text("register-mode", "instance");
        ApplicationConfig application = new ApplicationConfig(options.text("app", app));
        application.setQosEnable(false);
        application.setMetadataType(options.text("metadata-type", "local"));
        application.setRegisterMode(mode);
        System.setProperty(
                "dubbo.application.service-discovery.migration",
                mode.equals("instance")
                        ? "FORCE_APPLICATION"
                        : mode.equals("interface") ? "FORCE_INTERFACE" : "APPLICATION_FIRST");
        DubboBootstrap bootstrap = DubboBootstrap.getInstance().application(application);
        String address = options.text("registry", "");
        if (address.isEmpty()) {
            return bootstrap.registry(new RegistryConfig("N/A"));
        }
        RegistryConfig registry = new RegistryConfig(address);
        registry.setRegisterMode(mode);
        registry.setTimeout(10_000);
        bootstrap.registry(registry);
        if (options.text("metadata-type", "local").equals("remote")) {
            bootstrap.metadataReport(new MetadataReportConfig(address));
        }
        return bootstrap;
    }

    private void serve() {
        int port = options.number("port", 20000);
        DubboBootstrap bootstrap = bootstrap("java-provider");
        ProtocolConfig protocol = new ProtocolConfig("tri", port);
        String host = options.text("host", "");
        if (!host.isEmpty()) {
            protocol.setHost(host);
        }
        bootstrap.protocol(protocol);
        Greeter greeter = new Greeter("dubbo-java " + options.text("app", "java-provider") + ":" + port);
        bootstrap.service(service(greeter, options.text("group", "")));
        if (!options.text("also-group", "").isEmpty()) {
            bootstrap.service(service(greeter, options.text("also-group", "")));
        }
        bootstrap.start();
        out.println("READY");
        out.flush();
        bootstrap.await();
    }

    private ServiceConfig<GreetService> service(Greeter greeter, String group) {
        ServiceConfig<GreetService> service = new ServiceConfig<>();
        service.setInterface(GreetService.class);
        service.setRef(greeter);
        if (!group.isEmpty()) {
            service.setGroup(group);
        }
        if (!options.text("version", "").isEmpty()) {
            service.setVersion(options.text("version", ""));
        }
        return service;
    }

    private boolean call() throws InterruptedException {
        int timeout = options.millis("timeout", "5s");
        ReferenceConfig<GreetService> reference = new ReferenceConfig<>();
        reference.setInterface(GreetService.class);
        reference.setProtocol("tri");
        reference.setTimeout(timeout);
        reference.setRetries(0);
        reference.setCheck(options.millis("wait", "0") == 0);
        if (!options.text("url", "").isEmpty()) {
            reference.setUrl(options.text("url", ""));
        }
        if (!options.text("group", "").isEmpty()) {
            reference.setGroup(options.text("group", ""));
        }
        if (!options.text("version", "").isEmpty()) {
            reference.setVersion(options.text("version", ""));
        }
        if (!options.text("provided-by", "").isEmpty()) {
            reference.setProvidedBy(options.text("provided-by", ""));
        }
        DubboBootstrap bootstrap = bootstrap("java-consumer").reference(reference).start();
        Caller caller = new Caller(reference.get(), options.text("name", "peer-java"), timeout);
        if (options.millis("wait", "0") > 0) {
            Loop.awaitProvider(caller, options.millis("wait", "0"), out);
        }
        if (!options.text("loop", "").isEmpty()) {
            new Loop(caller, out).run();
            bootstrap.stop();
            return true;
        }
        String[] kinds = options.text("calls", "unary,server-stream,client-stream,bidi-stream").split(",");
        boolean good = true;
        for (int i = 0; i < options.number("repeat", 1); i++) {
            if (i > 0) {
                Thread.sleep(options.millis("pause", "0"));
            }
            for (String kind : kinds) {
                good = caller.one(kind, out) && good;
            }
        }
        bootstrap.stop();
        return good;
    }
}
