package interop.peer.users;

import java.io.PrintStream;
import java.time.LocalDateTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import org.apache.dubbo.common.stream.StreamObserver;
import org.apache.dubbo.common.utils.PojoUtils;
import org.apache.dubbo.rpc.RpcException;
import org.apache.dubbo.rpc.StatusRpcException;
import org.apache.dubbo.rpc.service.EchoService;
import org.apache.dubbo.rpc.service.GenericException;
import org.apache.dubbo.rpc.service.GenericService;

/** The consumer: one line of JSON for each thing that it tries. */
public final class UsersCaller {
    private static final Gson GSON = new GsonBuilder().disableHtmlEscaping().create();

    private final PrintStream out;
    private boolean good = true;

    public UsersCaller(PrintStream out) {
        this.out = out;
    }

    private interface Attempt {
        Object run() throws Throwable;
    }

    /** `expected`: the text of what comes back, or of the error. */
    private void check(String name, Object expected, Attempt attempt) {
        Object got;
        try {
            got = attempt.run();
        } catch (Throwable error) {
            got = describe(error);
        }
        boolean equal = text(expected).equals(text(got));
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("check", name);
        line.put("ok", equal);
        if (!equal) {
            line.put("expected", text(expected));
            line.put("got", text(got));
            good = false;
        }
        out.println(GSON.toJson(line));
        out.flush();
    }

    private static String describe(Throwable error) {
        if (error instanceof GenericException) {
            GenericException generic = (GenericException) error;
            return "GenericException of " + generic.getExceptionClass() + ": " + generic.getExceptionMessage();
        }
        if (error instanceof UserNotFoundException) {
            return "UserNotFoundException of " + ((UserNotFoundException) error).getUserId() + ": " + error.getMessage();
        }
        if (error instanceof StatusRpcException) {
            return "StatusRpcException " + ((StatusRpcException) error).getStatus().code + ": "
                    + ((StatusRpcException) error).getStatus().description;
        }
        if (error instanceof RpcException) {
            // dubbo wraps what it throws itself.
            Throwable cause = error;
            while (cause.getCause() != null && cause.getCause() != cause) {
                cause = cause.getCause();
            }
            return cause == error ? "RpcException: " + error.getMessage() : describe(cause);
        }
        return error.getClass().getName() + ": " + error.getMessage();
    }

    private static String text(Object value) {
        return value instanceof String ? (String) value : String.valueOf(PojoUtils.generalize(sorted(value)));
    }

    /** Arrays print as lists. */
    private static Object sorted(Object value) {
        Object plain = PojoUtils.generalize(value);
        return deep(plain);
    }

    private static Object deep(Object value) {
        if (value instanceof byte[]) {
            return Arrays.toString((byte[]) value);
        }
        if (value instanceof int[]) {
            return Arrays.toString((int[]) value);
        }
        if (value instanceof Object[]) {
            List<Object> list = new ArrayList<>();
            for (Object one : (Object[]) value) {
                list.add(deep(one));
            }
            return list;
        }
        if (value instanceof List) {
            List<Object> list = new ArrayList<>();
            for (Object one : (List<?>) value) {
                list.add(deep(one));
            }
            return list;
        }
        if (value instanceof Map) {
            Map<String, Object> map = new java.util.TreeMap<>();
            ((Map<?, ?>) value).forEach((key, one) -> map.put(String.valueOf(key), deep(one)));
            return map;
        }
        return value;
    }

    /** `status`: what becomes of a gRPC status, or of dubbo-java's own RpcException in its place. */
    public boolean interfaceCalls(UserProvider users, String status) {
        check("get", Users.sample("1"), () -> users.getUser("1"));
        check("null", "null", () -> users.getUser("null"));
        check("declared exception", "UserNotFoundException of missing: no user missing", () -> users.getUser("missing"));
        User deep = Users.sample("deep");
        deep.setFriends(new ArrayList<>(List.of(Users.sample("friend"))));
        deep.setNick("nick");
        deep.setScore(2.5);
        check("echo", deep, () -> users.echo(deep));
        check("echo of empty", new User(), () -> users.echo(new User()));
        check("echo of null", "null", () -> users.echo(null));
        List<User> listed = new ArrayList<>(List.of(Users.sample("a")));
        listed.get(0).setRole(Role.GUEST);
        listed.add(null);
        check("list", listed, () -> users.list(new ArrayList<>(Arrays.asList("a", null)), Role.GUEST));
        User old = Users.sample("old");
        old.setAge(99);
        check("map", Map.of("old", old), () -> users.index(new LinkedHashMap<>(Map.of("old", 99))));
        check("overload of String", "name x", () -> users.find("x"));
        check("overload of long", "number 5", () -> users.find(5L));
        check("numbers", "6.75", () -> String.valueOf(users.sum(1, 2, 3.25, 0.5f)));
        check("java.time", "2024-03-01T00:00:01", () -> users.shift(LocalDateTime.of(2024, 2, 29, 0, 0, 1), 1).toString());
        check("void", "done", () -> {
            users.touch("1");
            return "done";
        });
        check("exception of the JDK", "java.lang.IllegalStateException: wrong state", () -> users.fail("state"));
        check("exception with a cause", "java.lang.IllegalArgumentException: because", () -> {
            try {
                return users.fail("state");
            } catch (IllegalStateException error) {
                return describe(error.getCause());
            }
        });
        check("exception of a class that is not here", "java.lang.Exception: elsewhere", () -> users.fail("foreign"));
        check("error of a handler", "StatusRpcException UNKNOWN: an error", () -> users.fail("error"));
        check("status", status, () -> users.fail("rpc"));
        check("server stream", "[w-0, w-1, w-2]", () -> {
            Pull<User> pull = new Pull<>();
            users.watch("w", pull);
            List<String> ids = new ArrayList<>();
            for (User user = pull.next(); user != null; user = pull.next()) {
                ids.add(user.getId());
            }
            return ids.toString();
        });
        check("bidirectional stream", "[renamed a, renamed b]", () -> {
            Pull<String> pull = new Pull<>();
            StreamObserver<User> requests = users.rename(pull);
            List<String> names = new ArrayList<>();
            for (String id : List.of("a", "b")) {
                requests.onNext(Users.sample(id));
                names.add(pull.next());
            }
            requests.onCompleted();
            if (pull.next() != null) {
                throw new IllegalStateException("a response after the half-close");
            }
            return names.toString();
        });
        check("$echo", "hello", () -> ((EchoService) users).$echo("hello"));
        return good;
    }

    public boolean genericCalls(GenericService users) {
        String[] string = {"java.lang.String"};
        check("generic get", PojoUtils.generalize(Users.sample("1")), () ->
                users.$invoke("getUser", string, new Object[] {"1"}));
        check("generic null", "null", () -> users.$invoke("getUser", string, new Object[] {"null"}));
        Object deep = PojoUtils.generalize(Users.sample("deep"));
        check("generic echo", deep, () ->
                users.$invoke("echo", new String[] {User.class.getName()}, new Object[] {deep}));
        check("generic overload", "number 5", () -> users.$invoke("find", new String[] {"long"}, new Object[] {5L}));
        check("generic and asynchronous", "number 5", () ->
                users.$invokeAsync("find", new String[] {"long"}, new Object[] {5L}).get());
        check("generic list", "[{role=GUEST}]", () -> {
            Object got = users.$invoke(
                    "list",
                    new String[] {"java.util.List", Role.class.getName()},
                    new Object[] {new ArrayList<>(List.of("a")), "GUEST"});
            return "[{role=" + ((Map<?, ?>) ((List<?>) got).get(0)).get("role") + "}]";
        });
        return good;
    }

    public boolean genericException(GenericService users, String expected) {
        check("generic exception", expected, () ->
                users.$invoke("getUser", new String[] {"java.lang.String"}, new Object[] {"missing"}));
        return good;
    }

    /** Turns an observer into something to pull from. */
    private static final class Pull<T> implements StreamObserver<T> {
        private static final Object END = new Object();
        private final BlockingQueue<Object> events = new LinkedBlockingQueue<>();

        @Override
        public void onNext(T value) {
            events.add(value);
        }

        @Override
        public void onError(Throwable cause) {
            events.add(cause);
        }

        @Override
        public void onCompleted() {
            events.add(END);
        }

        @SuppressWarnings("unchecked")
        T next() throws Throwable {
            Object event = events.poll(5, TimeUnit.SECONDS);
            if (event == null) {
                throw new IllegalStateException("nothing came on the stream in time");
            }
            if (event instanceof Throwable) {
                throw (Throwable) event;
            }
            return event == END ? null : (T) event;
        }
    }
}
