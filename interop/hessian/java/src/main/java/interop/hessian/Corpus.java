package interop.hessian;

import java.io.IOException;
import java.io.Serializable;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.MonthDay;
import java.time.OffsetDateTime;
import java.time.OffsetTime;
import java.time.Year;
import java.time.YearMonth;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Date;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.UUID;

/** What Java writes: every kind of value by hand, and some hundreds by chance. */
final class Corpus {
    public enum Color { RED, GREEN }

    public static class Base implements Serializable {
        public String id = "base";
    }

    public static class User extends Base {
        public boolean flag = true;
        public byte b = -1;
        public short s = 1000;
        public int i = 70000;
        public long l = 1L << 40;
        public float f = 1.5f;
        public double d = 0.1;
        public char c = 'x';
        public Integer boxed = 5;
        public Long longBoxed = 5L;
        public Double doubleBoxed = 5.0;
        public String text = "t";
        public byte[] data = {1, 2, 3};
        public int[] ints = {1, 2};
        public String[] strings = {"a", null};
        public Color color = Color.GREEN;
        public Date date = new Date(1234567L);
        public BigDecimal money = new BigDecimal("12.340");
        public BigInteger big = new BigInteger("123456789012345678901234567890");
        public List<User> friends = new ArrayList<>();
        public Map<String, Integer> scores = new HashMap<>(Map.of("one", 1));
        public Inner inner = new Inner();
        public User self = this;
        public Object nothing = null;
    }

    public static class Inner implements Serializable {
        public String $dollar = "$";
    }

    private final Random random;
    private final Map<String, Object> values = new LinkedHashMap<>();

    Corpus(long seed) {
        random = new Random(seed);
    }

    Map<String, Object> values() {
        byHand();
        for (int i = 0; i < 500; i++) values.put("random-" + i, value(0));
        return values;
    }

    private void byHand() {
        long[] numbers = {0, 1, -1, 15, 16, -8, -9, 47, 48, -16, -17, 2047, 2048, -2048, -2049, 262143, 262144, -262144, -262145,
            Integer.MAX_VALUE, Integer.MIN_VALUE, Integer.MAX_VALUE + 1L, (1L << 53) - 1, 1L << 53, (1L << 53) + 1,
            Long.MAX_VALUE, Long.MIN_VALUE};
        for (long n : numbers) {
            values.put("long " + n, n);
            values.put("int " + n, (int) n);
            values.put("double " + n, (double) n);
        }
        // Not -0.0: Java writes it as 0.
        double[] doubles = {0.1, 1.5, -1.001, 1e300, Double.MIN_VALUE, Double.NaN, Double.POSITIVE_INFINITY, 127, 128, -129,
            32767, 32768, -32769, 2147483.647, 12.25};
        for (double d : doubles) values.put("double " + d, d);
        for (int length : new int[] {0, 1, 31, 32, 1023, 1024, 32767, 32768, 32769, 65535, 65536, 200000}) {
            values.put("ascii " + length, "a".repeat(length));
            values.put("umlauts " + length, "ä".repeat(length));
            values.put("han " + length, "漢".repeat(length));
            values.put("emoji " + length, "a".repeat(length % 2) + "😀".repeat(length / 2));
            byte[] bytes = new byte[length];
            random.nextBytes(bytes);
            values.put("bytes " + length, bytes);
        }
        values.put("lone surrogate", "a\ud83db");
        values.put("null", null);
        values.put("booleans", new ArrayList<>(Arrays.asList(true, false)));
        values.put("date", new Date(894621091000L));
        values.put("date minutes", new Date(894621060000L));
        values.put("date before 1970", new Date(-60001L));
        values.put("sql timestamp", new java.sql.Timestamp(5000L));
        values.put("enum", Color.RED);
        values.put("enums", new ArrayList<>(Arrays.asList(Color.RED, Color.GREEN, Color.RED)));
        values.put("short", (short) 5);
        values.put("byte", (byte) 5);
        values.put("float", 1.25f);
        values.put("char", 'ä');
        values.put("int array", new int[] {1, -1, 100000});
        values.put("long array", new long[] {1, 1L << 60});
        values.put("double array", new double[] {1, 0.5});
        values.put("boolean array", new boolean[] {true, false});
        values.put("string array", new String[] {"a", "b", null});
        values.put("object array", new Object[] {1, "a", null, 2.0});
        values.put("nested array", new int[][] {{1}, {2, 3}});
        values.put("long list", new ArrayList<>(java.util.Collections.nCopies(100, 7)));
        values.put("linked list", new LinkedList<>(List.of(1, 2)));
        values.put("hash set", new HashSet<>(List.of("a", "b", "c")));
        values.put("tree map", new TreeMap<>(Map.of("a", 1, "b", 2)));
        values.put("hash map", new HashMap<>(Map.of(1, "a", 2L, "b", 1.5, "c")));
        Map<Object, Object> nullKey = new HashMap<>();
        nullKey.put(null, null);
        values.put("null key", nullKey);
        values.put("big decimal", new BigDecimal("-1234567890.0987654321"));
        values.put("big integer", new BigInteger("-123456789012345678901234567890"));
        values.put("big zero", BigInteger.ZERO);
        values.put("uuid", UUID.fromString("123e4567-e89b-12d3-a456-426614174000"));
        values.put("local date", LocalDate.of(2024, 2, 29));
        values.put("local time", LocalTime.of(7, 5, 9, 120_000_000));
        values.put("local date time", LocalDateTime.of(2024, 2, 29, 7, 5, 9, 1));
        values.put("instant", Instant.ofEpochSecond(1_700_000_000L, 5));
        values.put("offset date time", OffsetDateTime.of(2024, 2, 29, 7, 5, 9, 1, ZoneOffset.ofHoursMinutes(-3, -30)));
        values.put("offset time", OffsetTime.of(7, 5, 9, 1, ZoneOffset.UTC));
        values.put("zoned date time", ZonedDateTime.of(2024, 2, 29, 7, 5, 9, 1, ZoneId.of("Europe/Berlin")));
        values.put("year", Year.of(2024));
        values.put("year month", YearMonth.of(2024, 2));
        values.put("month day", MonthDay.of(2, 29));
        values.put("duration", Duration.ofSeconds(90, 5));
        User user = new User();
        User friend = new User();
        user.friends.add(friend);
        user.friends.add(user);
        friend.self = user;
        values.put("pojo", user);
        List<Object> many = new ArrayList<>();
        for (int i = 0; i < 3; i++) many.add(new Inner());
        many.add(many);
        values.put("cycle", many);
        values.put("shared", new ArrayList<>(Arrays.asList(user.inner, user.inner, user.scores, user.scores)));
        // A number of a reference that is one off is another object: behind one of each kind, twice each.
        List<Object> referred = new ArrayList<>();
        Object end = new ArrayList<>(List.of("end"));
        for (Object one : new ArrayList<>(values.values())) {
            if (one instanceof String || one instanceof byte[]) continue;
            referred.add(one);
            referred.add(one);
            referred.add(end);
        }
        values.put("references behind each kind", referred);
        values.put("exception", new IllegalStateException("no luck", new IOException("disk")));
        values.put("exception without message", new RuntimeException());
    }

    private Object value(int depth) {
        switch (random.nextInt(depth > 3 ? 9 : 13)) {
            case 0: return null;
            case 1: return random.nextBoolean();
            case 2: return random.nextInt() >> random.nextInt(32);
            case 3: return random.nextLong() >> random.nextInt(64);
            case 4: return random.nextInt(2) == 0 ? random.nextDouble() * 1e6 : random.nextInt(100_000) * 0.001;
            case 5: return text(random.nextInt(60));
            case 6: return text(random.nextInt(3000));
            case 7: return new Date(random.nextLong() >> (20 + random.nextInt(30)));
            case 8: {
                byte[] bytes = new byte[random.nextInt(2000)];
                random.nextBytes(bytes);
                return bytes;
            }
            case 9: case 10: {
                List<Object> list = new ArrayList<>();
                for (int i = random.nextInt(12); i > 0; i--) list.add(value(depth + 1));
                return list;
            }
            case 11: {
                Map<Object, Object> map = new HashMap<>();
                for (int i = random.nextInt(8); i > 0; i--) {
                    map.put(random.nextBoolean() ? (Object) text(5) : (Object) random.nextInt(), value(depth + 1));
                }
                return map;
            }
            default: {
                User user = new User();
                user.l = random.nextLong();
                user.text = text(20);
                user.nothing = value(depth + 1);
                return user;
            }
        }
    }

    private String text(int length) {
        StringBuilder text = new StringBuilder();
        while (text.length() < length) {
            switch (random.nextInt(4)) {
                case 0: text.appendCodePoint(0x10000 + random.nextInt(0xfffff)); break;
                case 1: text.append((char) random.nextInt(0xd800)); break;
                default: text.append((char) (32 + random.nextInt(95)));
            }
        }
        return text.toString();
    }
}
