package interop.peer;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Command line flags: "--name value" or "--name=value". */
final class Options {
    private static final List<String> KNOWN = List.of(
            "registry", "register-mode", "metadata-type", "app", "interface", "group", "version", "log",
            "port", "host", "url", "calls", "repeat", "pause", "timeout", "name", "provided-by", "serialization",
            "wait", "loop", "also-group", "status");
    private static final List<String> SWITCHES = List.of("loop");

    private final Map<String, String> values = new LinkedHashMap<>();

    Options(String[] args) {
        List<String> rest = Arrays.asList(args);
        for (int i = 0; i < rest.size(); i++) {
            String flag = rest.get(i);
            if (!flag.startsWith("-")) {
                throw new IllegalArgumentException("not a flag: " + flag);
            }
            String name = flag.replaceFirst("^--?", "");
            String value;
            int equals = name.indexOf('=');
            if (equals >= 0) {
                value = name.substring(equals + 1);
                name = name.substring(0, equals);
            } else if (SWITCHES.contains(name)) {
                value = "true";
            } else if (i + 1 < rest.size()) {
                value = rest.get(++i);
            } else {
                throw new IllegalArgumentException("no value: " + flag);
            }
            if (!KNOWN.contains(name)) {
                throw new IllegalArgumentException("no such flag: " + flag + "; there are " + KNOWN);
            }
            values.put(name, value);
        }
    }

    String text(String name, String fallback) {
        String value = values.get(name);
        return value == null ? fallback : value;
    }

    int number(String name, int fallback) {
        return Integer.parseInt(text(name, String.valueOf(fallback)));
    }

    /** A duration in Go's short form: 500ms, 5s, 1m; a bare number is milliseconds. */
    int millis(String name, String fallback) {
        String value = text(name, fallback);
        if (value.endsWith("ms")) {
            return Integer.parseInt(value.substring(0, value.length() - 2));
        }
        if (value.endsWith("s")) {
            return (int) (Double.parseDouble(value.substring(0, value.length() - 1)) * 1000);
        }
        if (value.endsWith("m")) {
            return (int) (Double.parseDouble(value.substring(0, value.length() - 1)) * 60_000);
        }
        return Integer.parseInt(value);
    }
}
