package interop.peer.users;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.util.ArrayList;
import java.util.Date;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

import org.apache.dubbo.common.stream.StreamObserver;
import org.apache.dubbo.rpc.RpcException;

/** The provider. */
public final class Users implements UserProvider {
    /** A user whose every field is set, save `nick` and `score`. */
    public static User sample(String id) {
        User user = new User();
        user.setId(id);
        user.setAge(41);
        user.setVisits(9007199254740993L);
        user.setActive(true);
        user.setBalance(new BigDecimal("1234567890.10"));
        user.setSerial(new BigInteger("-123456789012345678901234567890"));
        user.setRole(Role.EDITOR);
        user.setBorn(new Date(1_000_000_000_123L));
        user.setJoined(LocalDate.of(2024, 2, 29));
        user.setSeen(LocalDateTime.of(2024, 2, 29, 23, 59, 58, 123_000_000));
        user.setTags(new ArrayList<>(List.of("a", "\u00e9\u4e2d\ud83d\ude00")));
        user.setLucky(new HashSet<>(Set.of(7)));
        user.setLimits(new LinkedHashMap<>(Map.of("cpu", 4)));
        user.setAddresses(new LinkedHashMap<>(Map.of(Role.ADMIN, new Address("Office", 1))));
        user.setHome(new Address("Elm Street", 13));
        user.setFriends(new ArrayList<>());
        user.setPhoto(new byte[] {0, 1, -1});
        user.setScores(new int[] {3, 2, 1});
        return user;
    }

    @Override
    public User getUser(String id) throws UserNotFoundException {
        if (id.equals("missing")) {
            throw new UserNotFoundException("no user " + id, id);
        }
        return id.equals("null") ? null : sample(id);
    }

    @Override
    public User echo(User user) {
        return user;
    }

    @Override
    public List<User> list(List<String> ids, Role role) {
        List<User> users = new ArrayList<>();
        for (String id : ids) {
            User user = id == null ? null : sample(id);
            if (user != null) {
                user.setRole(role);
            }
            users.add(user);
        }
        return users;
    }

    @Override
    public Map<String, User> index(Map<String, Integer> ages) {
        Map<String, User> users = new LinkedHashMap<>();
        for (Map.Entry<String, Integer> entry : ages.entrySet()) {
            User user = sample(entry.getKey());
            user.setAge(entry.getValue());
            users.put(entry.getKey(), user);
        }
        return users;
    }

    @Override
    public String find(String name) {
        return "name " + name;
    }

    @Override
    public String find(long number) {
        return "number " + number;
    }

    @Override
    public double sum(int a, long b, Double c, float d) {
        return a + b + (c == null ? 0 : c) + d;
    }

    @Override
    public LocalDateTime shift(LocalDateTime time, int days) {
        return time.plusDays(days);
    }

    @Override
    public void touch(String id) {}

    @Override
    public String fail(String kind) {
        switch (kind) {
            case "state":
                throw new IllegalStateException("wrong state", new IllegalArgumentException("because"));
            case "rpc":
                throw new RpcException(RpcException.FORBIDDEN_EXCEPTION, "not allowed");
            default:
                throw new AssertionError("an error");
        }
    }

    @Override
    public void watch(String id, StreamObserver<User> users) {
        if (id.equals("missing")) {
            users.onError(new UserNotFoundException("no user " + id, id));
            return;
        }
        for (int i = 0; i < 3; i++) {
            users.onNext(sample(id + "-" + i));
        }
        users.onCompleted();
    }

    @Override
    public StreamObserver<User> rename(StreamObserver<String> names) {
        return new StreamObserver<User>() {
            @Override
            public void onNext(User user) {
                names.onNext("renamed " + user.getId());
            }

            @Override
            public void onError(Throwable cause) {}

            @Override
            public void onCompleted() {
                names.onCompleted();
            }
        };
    }
}
