package interop.peer;

import greet.DubboGreetServiceTriple;
import greet.GreetRequest;
import greet.GreetResponse;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicInteger;

import org.apache.dubbo.common.stream.StreamObserver;
import org.apache.dubbo.rpc.RpcContext;
import org.apache.dubbo.rpc.TriRpcStatus;

/** The provider's side of greet.GreetService. */
final class Greeter extends DubboGreetServiceTriple.GreetServiceImplBase {
    /** Asked by this name, a server answers how many streams clients have given up. */
    static final String CANCELLED_STREAMS = "cancelled streams?";

    private static final AtomicInteger CANCELLED = new AtomicInteger();

    private final String peer;

    Greeter(String peer) {
        this.peer = peer;
    }

    private static void failIfAsked(GreetRequest request) {
        if (request.getDelayMs() > 0) {
            try {
                Thread.sleep(request.getDelayMs());
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
        if (request.getFail().isEmpty()) {
            return;
        }
        if (request.getFailCode() != 0) {
            throw TriRpcStatus.fromCode(request.getFailCode())
                    .withDescription(request.getFail())
                    .asException();
        }
        throw new IllegalStateException(request.getFail());
    }

    private static Map<String, String> attachments() {
        Map<String, String> seen = new TreeMap<>();
        RpcContext.getServerAttachment().getObjectAttachments().forEach((key, value) -> {
            if (key.startsWith("peer-")) {
                seen.put(key, String.valueOf(value));
            }
        });
        return seen;
    }

    private GreetResponse reply(String name, int index, Map<String, String> attachments) {
        return GreetResponse.newBuilder()
                .setGreeting("hello " + name)
                .setPeer(peer)
                .setIndex(index)
                .putAllAttachments(attachments)
                .build();
    }

    @Override
    public GreetResponse greet(GreetRequest request) {
        if (request.getName().equals(CANCELLED_STREAMS)) {
            return reply(request.getName(), CANCELLED.get(), attachments());
        }
        RpcContext.getServerResponseContext().setAttachment("peer-answer", "answer-1");
        failIfAsked(request);
        return reply(request.getName(), 0, attachments());
    }

    @Override
    public void greetServerStream(GreetRequest request, StreamObserver<GreetResponse> responses) {
        Map<String, String> attachments = attachments();
        int count = request.getCount() == 0 ? 3 : request.getCount();
        for (int i = 0; i < count; i++) {
            responses.onNext(reply(request.getName(), i, attachments));
        }
        try {
            failIfAsked(request);
        } catch (RuntimeException e) {
            responses.onError(e);
            return;
        }
        responses.onCompleted();
    }

    /** What the two kinds with a request stream share: an error ends the exchange once. */
    private abstract static class Requests implements StreamObserver<GreetRequest> {
        private final StreamObserver<GreetResponse> responses;
        private boolean over;

        Requests(StreamObserver<GreetResponse> responses) {
            this.responses = responses;
        }

        abstract void take(GreetRequest request);

        abstract void end();

        @Override
        public final void onNext(GreetRequest request) {
            if (over) {
                return;
            }
            try {
                failIfAsked(request);
                take(request);
            } catch (RuntimeException e) {
                over = true;
                responses.onError(e);
            }
        }

        @Override
        public final void onError(Throwable cause) {
            over = true;
            CANCELLED.incrementAndGet();
        }

        @Override
        public final void onCompleted() {
            if (over) {
                return;
            }
            over = true;
            end();
            responses.onCompleted();
        }
    }

    @Override
    public StreamObserver<GreetRequest> greetClientStream(StreamObserver<GreetResponse> responses) {
        Map<String, String> attachments = attachments();
        List<String> names = new ArrayList<>();
        return new Requests(responses) {
            @Override
            void take(GreetRequest request) {
                names.add(request.getName());
            }

            @Override
            void end() {
                responses.onNext(reply(String.join("+", names), names.size(), attachments));
            }
        };
    }

    @Override
    public StreamObserver<GreetRequest> greetBidiStream(StreamObserver<GreetResponse> responses) {
        Map<String, String> attachments = attachments();
        return new Requests(responses) {
            private int index;

            @Override
            void take(GreetRequest request) {
                responses.onNext(reply(request.getName(), index++, attachments));
            }

            @Override
            void end() {}
        };
    }
}
