package interop.peer;

import greet.DubboGreetServiceTriple;
import greet.GreetRequest;
import greet.GreetResponse;
import greet.GreetService;

import java.lang.reflect.Field;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.protobuf.Message;
import org.apache.dubbo.common.stream.StreamObserver;
import org.apache.dubbo.rpc.Invoker;
import org.apache.dubbo.rpc.RpcContext;
import org.apache.dubbo.rpc.StatusRpcException;
import org.apache.dubbo.rpc.TriRpcStatus;
import org.apache.dubbo.rpc.model.MethodDescriptor;
import org.apache.dubbo.rpc.model.StubMethodDescriptor;
import org.apache.dubbo.rpc.model.StubServiceDescriptor;
import org.apache.dubbo.rpc.protocol.tri.CancelableStreamObserver;
import org.apache.dubbo.rpc.stub.StubInvocationUtil;

/** The consumer's side: makes a call of one kind and prints what came of it. */
final class Caller {
    private static final Gson GSON = new GsonBuilder().disableHtmlEscaping().create();

    private final GreetService service;
    private final String name;
    private final int timeout;

    Caller(GreetService service, String name, int timeout) {
        this.service = service;
        this.name = name;
        this.timeout = timeout;
    }

    boolean one(String kind, java.io.PrintStream out) {
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("call", kind);
        List<GreetResponse> responses = new ArrayList<>();
        Throwable failure = null;
        long began = System.nanoTime();
        RpcContext.getClientAttachment().setAttachment("peer-trace", "trace-1");
        try {
            call(kind, responses);
        } catch (Throwable e) {
            failure = e;
        }
        double millis = (System.nanoTime() - began) / 1000 / 1000.0;
        boolean wanted =
                List.of("error", "coded-error", "unknown-method", "deadline", "cancel").contains(kind) == (failure != null);
        line.put("ok", failure == null);
        line.put("expected", wanted);
        if (failure != null) {
            TriRpcStatus status = statusOf(failure);
            line.put("code", status.code.name().toLowerCase());
            line.put("error", failure.getClass().getName() + ": " + failure.getMessage());
        }
        if (!responses.isEmpty()) {
            List<Object> results = new ArrayList<>();
            for (GreetResponse response : responses) {
                Map<String, Object> result = new LinkedHashMap<>();
                result.put("greeting", response.getGreeting());
                result.put("peer", response.getPeer());
                result.put("index", response.getIndex());
                if (response.getAttachmentsCount() > 0) {
                    result.put("attachments", response.getAttachmentsMap());
                }
                results.add(result);
            }
            line.put("results", results);
        }
        String answer = RpcContext.getClientResponseContext().getAttachment("peer-answer");
        if (answer != null) {
            line.put("answer", answer);
        }
        line.put("ms", millis);
        out.println(GSON.toJson(line));
        out.flush();
        return wanted;
    }

    private GreetRequest.Builder request() {
        return GreetRequest.newBuilder().setName(name);
    }

    private void call(String kind, List<GreetResponse> responses) throws Throwable {
        switch (kind) {
            case "unary":
                responses.add(service.greet(request().build()));
                break;
            case "error":
                responses.add(service.greet(request().setFail("refused by request").build()));
                break;
            case "coded-error":
                responses.add(service.greet(
                        request().setFail("bad argument").setFailCode(3).build()));
                break;
            case "deadline":
                responses.add(service.greet(request().setDelayMs(timeout + 1000).build()));
                break;
            case "unknown-method":
                responses.add(unknownMethod());
                break;
            case "server-stream": {
                Responses stream = new Responses(timeout);
                service.greetServerStream(request().build(), stream);
                for (GreetResponse r = stream.next(); r != null; r = stream.next()) {
                    responses.add(r);
                }
                break;
            }
            case "client-stream": {
                Responses stream = new Responses(timeout);
                StreamObserver<GreetRequest> requests = service.greetClientStream(stream);
                for (int i = 0; i < 3; i++) {
                    requests.onNext(request().setName(name + "-" + i).build());
                }
                requests.onCompleted();
                for (GreetResponse r = stream.next(); r != null; r = stream.next()) {
                    responses.add(r);
                }
                break;
            }
            case "bidi-stream": {
                Responses stream = new Responses(timeout);
                StreamObserver<GreetRequest> requests = service.greetBidiStream(stream);
                for (int i = 0; i < 3; i++) {
                    requests.onNext(request().setName(name + "-" + i).build());
                    GreetResponse response = stream.next();
                    if (response == null) {
                        throw new IllegalStateException("the stream ended after " + i + " responses");
                    }
                    responses.add(response);
                }
                requests.onCompleted();
                if (stream.next() != null) {
                    throw new IllegalStateException("a response after the half-close");
                }
                break;
            }
            case "large":
                responses.add(large());
                break;
            case "many":
                many(responses);
                break;
            case "cancel":
                cancel(responses);
                break;
            default:
                throw new IllegalArgumentException("--calls: no such kind: " + kind);
        }
    }

    /** One unary call as a load makes it. */
    GreetResponse unary(int delayMs) {
        return service.greet(request().setDelayMs(delayMs).build());
    }

    /** Both messages far above any stream's first window. */
    private GreetResponse large() {
        String long1MiB = "0123456789abcdef".repeat((1 << 20) / 16);
        GreetResponse response = service.greet(request().setName(long1MiB).build());
        int length = response.getGreeting().length();
        if (!response.getGreeting().equals("hello " + long1MiB)) {
            throw new IllegalStateException("large: the answer has " + length + " bytes and differs");
        }
        return response.toBuilder().setGreeting(length + " bytes").build();
    }

    /** Reads a long server stream, then writes and reads a long bidirectional one at once; the last answer of each. */
    private void many(List<GreetResponse> responses) throws Throwable {
        final int count = 1000;
        Responses down = new Responses(timeout);
        service.greetServerStream(request().setCount(count).build(), down);
        GreetResponse last = null;
        int n = 0;
        for (GreetResponse r = down.next(); r != null; r = down.next()) {
            if (r.getIndex() != n++) {
                throw new IllegalStateException("many: message " + (n - 1) + " has index " + r.getIndex());
            }
            last = r;
        }
        if (n != count) {
            throw new IllegalStateException("many: " + n + " messages");
        }
        responses.add(last);

        RpcContext.getClientAttachment().setAttachment("peer-trace", "trace-1");
        Responses stream = new Responses(timeout);
        StreamObserver<GreetRequest> requests = service.greetBidiStream(stream);
        Thread sender = new Thread(() -> {
            for (int i = 0; i < count; i++) {
                requests.onNext(request().setName(name + "-" + i).build());
            }
            requests.onCompleted();
        });
        sender.start();
        for (int i = 0; i < count; i++) {
            last = stream.next();
            if (last == null || last.getIndex() != i || !last.getGreeting().equals("hello " + name + "-" + i)) {
                throw new IllegalStateException("many: answer " + i + " is " + last);
            }
        }
        sender.join();
        responses.add(last);
        if (stream.next() != null) {
            throw new IllegalStateException("many: a response after the half-close");
        }
    }

    /** Gives a stream up after its first answer and waits until the server has noticed; the error is the stream's. */
    private void cancel(List<GreetResponse> responses) throws Throwable {
        GreetRequest question = request().setName(Greeter.CANCELLED_STREAMS).build();
        int before = service.greet(question).getIndex();
        RpcContext.getClientAttachment().setAttachment("peer-trace", "trace-1");
        Responses stream = new Responses(timeout);
        StreamObserver<GreetRequest> requests = service.greetBidiStream(stream);
        requests.onNext(request().build());
        GreetResponse first = stream.next();
        ((CancelableStreamObserver<?>) requests).cancel(new IllegalStateException("given up by the caller"));
        for (long until = System.nanoTime() + 5_000_000_000L; System.nanoTime() < until; Thread.sleep(20)) {
            if (service.greet(question).getIndex() > before) {
                responses.add(first);
                throw TriRpcStatus.CANCELLED.withDescription("given up by the caller").asException();
            }
        }
        throw new IllegalStateException("cancel: the server has not noticed");
    }

    /** Calls a method that the provider does not have, through the stub's own invoker. */
    private GreetResponse unknownMethod() throws ReflectiveOperationException {
        Invoker<?> invoker =
                (Invoker<?>) hidden(DubboGreetServiceTriple.GreetServiceStub.class, "invoker", service);
        StubServiceDescriptor descriptor =
                (StubServiceDescriptor) hidden(DubboGreetServiceTriple.class, "serviceDescriptor", null);
        StubMethodDescriptor method = new StubMethodDescriptor(
                "NoSuchMethod",
                GreetRequest.class,
                GreetResponse.class,
                MethodDescriptor.RpcType.UNARY,
                value -> ((Message) value).toByteArray(),
                value -> ((Message) value).toByteArray(),
                GreetRequest::parseFrom,
                GreetResponse::parseFrom);
        descriptor.addMethod(method);
        return StubInvocationUtil.unaryCall(invoker, method, request().build());
    }

    private static Object hidden(Class<?> type, String name, Object of) throws ReflectiveOperationException {
        Field field = type.getDeclaredField(name);
        field.setAccessible(true);
        return field.get(of);
    }

    /** The status nearest to the wire among an error and its causes. */
    private static TriRpcStatus statusOf(Throwable failure) {
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            if (cause instanceof StatusRpcException) {
                return ((StatusRpcException) cause).getStatus();
            }
        }
        return TriRpcStatus.getStatus(failure, null);
    }

    /** Turns an observer into something to pull from. */
    private static final class Responses implements StreamObserver<GreetResponse> {
        private static final Object END = new Object();
        private final BlockingQueue<Object> events = new LinkedBlockingQueue<>();
        private final int timeout;

        Responses(int timeout) {
            this.timeout = timeout;
        }

        @Override
        public void onNext(GreetResponse response) {
            events.add(response);
        }

        @Override
        public void onError(Throwable cause) {
            events.add(cause);
        }

        @Override
        public void onCompleted() {
            events.add(END);
        }

        GreetResponse next() throws Throwable {
            Object event = events.poll(timeout + 5000L, TimeUnit.MILLISECONDS);
            if (event == null) {
                throw new IllegalStateException("nothing came on the stream in time");
            }
            if (event instanceof Throwable) {
                throw (Throwable) event;
            }
            return event == END ? null : (GreetResponse) event;
        }
    }
}
