package interop.peer.users;

/** Declared by the interface, with a field of its own. */
public class UserNotFoundException extends Exception {
    private String userId;

    public UserNotFoundException() {}

    public UserNotFoundException(String message, String userId) {
        super(message);
        this.userId = userId;
    }

    public String getUserId() {
        return userId;
    }

    public void setUserId(String userId) {
        this.userId = userId;
    }
}
