package interop.hessian;

import com.alibaba.com.caucho.hessian.io.Hessian2Input;
import com.alibaba.com.caucho.hessian.io.Hessian2Output;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.Map;

/**
 * Java's view of Hessian. "write SEED" prints a line for each value of the corpus: name, bytes, description; "read" takes
 * lines of name and bytes and prints name and description, or name and "!" with what went wrong.
 */
public final class Oracle {
    public static void main(String[] args) throws Exception {
        if (args[0].equals("write")) {
            for (Map.Entry<String, Object> one : new Corpus(Long.parseLong(args[1])).values().entrySet()) {
                print(one.getKey(), hex(write(one.getValue())), Describe.of(one.getValue()));
            }
            return;
        }
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] parts = line.split("\t");
            String said;
            try {
                said = Describe.of(read(HexFormat.of().parseHex(parts[1])));
            } catch (Throwable error) {
                said = "!" + error;
            }
            print(parts[0], said);
        }
    }

    private static void print(String... parts) {
        System.out.println(String.join("\t", parts));
    }

    private static String hex(byte[] bytes) {
        return HexFormat.of().formatHex(bytes);
    }

    private static byte[] write(Object value) throws Exception {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        Hessian2Output out = new Hessian2Output(bytes);
        out.writeObject(value);
        out.flushBuffer();
        return bytes.toByteArray();
    }

    private static Object read(byte[] bytes) throws Exception {
        return new Hessian2Input(new ByteArrayInputStream(bytes)).readObject();
    }
}
