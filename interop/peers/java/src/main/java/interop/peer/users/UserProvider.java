package interop.peer.users;

import java.time.LocalDateTime;
import java.util.List;
import java.util.Map;

import org.apache.dubbo.common.stream.StreamObserver;

/** An interface as people write it who have no .proto files. */
public interface UserProvider {
    /** "missing" throws, "null" is null. */
    User getUser(String id) throws UserNotFoundException;

    User echo(User user);

    List<User> list(List<String> ids, Role role);

    Map<String, User> index(Map<String, Integer> ages);

    String find(String name);

    String find(long number);

    double sum(int a, long b, Double c, float d);

    LocalDateTime shift(LocalDateTime time, int days);

    void touch(String id);

    /** Throws what it is asked for: "state", "foreign", "rpc", "error". */
    String fail(String kind);

    void watch(String id, StreamObserver<User> users);

    StreamObserver<User> rename(StreamObserver<String> names);
}
