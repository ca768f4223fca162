package interop.peer.users;

public enum Role {
    ADMIN,
    EDITOR,
    GUEST
}
