package interop.hessian;

import java.lang.reflect.Array;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.Date;
import java.util.HexFormat;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.UUID;

/** A value as text that tells apart what Hessian tells apart; describe.mjs says the same of ours. */
final class Describe {
    private final IdentityHashMap<Object, Integer> seen = new IdentityHashMap<>();

    static String of(Object value) throws Exception {
        return new Describe().describe(value);
    }

    private String describe(Object value) throws Exception {
        if (value == null) return "null";
        if (value instanceof Boolean) return value.toString();
        if (value instanceof Integer || value instanceof Short || value instanceof Byte) return "i" + value;
        if (value instanceof Long) return "l" + value;
        if (value instanceof Double || value instanceof Float) {
            return "d" + Long.toHexString(Double.doubleToLongBits(((Number) value).doubleValue()));
        }
        if (value instanceof String || value instanceof Character) {
            return "s" + bytes(utf16(value.toString()));
        }
        if (value.getClass() == Date.class) return "t" + ((Date) value).getTime();
        if (value instanceof byte[]) return "b" + bytes((byte[]) value);
        if (value instanceof BigDecimal) return "D" + value;
        if (value instanceof BigInteger) return "I" + value;
        if (value instanceof UUID) return "U" + value;
        if (value instanceof Enum) return "E" + value.getClass().getName() + "." + ((Enum<?>) value).name();
        if (value.getClass().getName().startsWith("java.time.")) return "T" + value;
        if (value instanceof Date) return "t" + ((Date) value).getTime();
        Integer number = seen.get(value);
        if (number != null) return "^" + number;
        seen.put(value, seen.size());
        if (value instanceof Throwable) return throwable((Throwable) value);
        if (value instanceof Set) return "{" + sorted((Set<?>) value) + "}";
        if (value instanceof Collection) return "[" + items((Collection<?>) value) + "]";
        if (value.getClass().isArray()) return "[" + items(array(value)) + "]";
        if (value instanceof Map) return "(" + map((Map<?, ?>) value) + ")";
        return "<" + value.getClass().getName() + " " + fields(value) + ">";
    }

    /** getBytes() replaces a lone surrogate. */
    private static byte[] utf16(String text) {
        byte[] bytes = new byte[text.length() * 2];
        for (int i = 0; i < text.length(); i++) {
            bytes[2 * i] = (byte) (text.charAt(i) >> 8);
            bytes[2 * i + 1] = (byte) text.charAt(i);
        }
        return bytes;
    }

    private static String bytes(byte[] bytes) throws Exception {
        if (bytes.length <= 80) return HexFormat.of().formatHex(bytes);
        return "#" + bytes.length + ":" + HexFormat.of().formatHex(MessageDigest.getInstance("SHA-1").digest(bytes));
    }

    private String items(Collection<?> items) throws Exception {
        List<String> parts = new ArrayList<>();
        for (Object item : items) parts.add(describe(item));
        return String.join(",", parts);
    }

    private String sorted(Collection<?> items) throws Exception {
        List<String> parts = new ArrayList<>();
        for (Object item : items) parts.add(describe(item));
        Collections.sort(parts);
        return String.join(",", parts);
    }

    private static List<Object> array(Object array) {
        List<Object> items = new ArrayList<>();
        for (int i = 0; i < Array.getLength(array); i++) items.add(Array.get(array, i));
        return items;
    }

    /** In the order of the keys' descriptions: maps of the two sides iterate differently. */
    private String map(Map<?, ?> map) throws Exception {
        TreeMap<String, Object> byKey = new TreeMap<>();
        for (Map.Entry<?, ?> entry : map.entrySet()) byKey.put(describe(entry.getKey()), entry.getValue());
        StringBuilder text = new StringBuilder();
        for (Map.Entry<String, Object> entry : byKey.entrySet()) {
            text.append(entry.getKey()).append('=').append(describe(entry.getValue())).append(';');
        }
        return text.toString();
    }

    private String throwable(Throwable thrown) throws Exception {
        String cause = thrown.getCause() == null ? "null" : describe(thrown.getCause());
        return "X" + thrown.getClass().getName() + ":" + thrown.getMessage() + ":" + thrown.getStackTrace().length + ":" + cause;
    }

    private String fields(Object value) throws Exception {
        TreeMap<String, Object> fields = new TreeMap<>();
        for (Class<?> type = value.getClass(); type != Object.class; type = type.getSuperclass()) {
            for (Field field : type.getDeclaredFields()) {
                if ((field.getModifiers() & (Modifier.STATIC | Modifier.TRANSIENT)) != 0) continue;
                field.setAccessible(true);
                fields.putIfAbsent(field.getName(), field.get(value));
            }
        }
        return map(fields);
    }
}
