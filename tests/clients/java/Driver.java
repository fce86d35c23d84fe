import io.socket.client.Ack;
import io.socket.client.IO;
import io.socket.client.Manager;
import io.socket.client.Socket;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.HashMap;
import java.util.Iterator;
import java.util.Map;
import org.json.JSONArray;
import org.json.JSONException;
import org.json.JSONObject;

/** Drives the Java client for the tests. ../README.md has the line protocol. */
public final class Driver {
    private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    private static final Map<String, Socket> SOCKETS = new HashMap<>();

    public static void main(String[] arguments) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            JSONObject command = new JSONObject(line);
            String client = command.getString("client");
            switch (command.getString("do")) {
                case "connect" -> connect(client, command);
                case "call" -> call(client, command);
                case "close" -> SOCKETS.get(client).disconnect();
                default -> throw new IllegalArgumentException(line);
            }
        }
        System.exit(0);
    }

    private static void connect(String client, JSONObject command) throws Exception {
        JSONObject wish = command.getJSONObject("options");
        IO.Options options = new IO.Options();
        options.forceNew = true;
        options.transports = strings(wish.getJSONArray("transports"));
        if (wish.has("reconnectionDelay")) {
            options.reconnectionDelay = options.reconnectionDelayMax = wish.getLong("reconnectionDelay");
        }
        if (wish.has("auth")) {
            options.auth = new HashMap<>(); // it may hold only strings
            for (String name : JSONObject.getNames(wish.getJSONObject("auth"))) {
                options.auth.put(name, wish.getJSONObject("auth").getString(name));
            }
        }
        if (command.getString("codec").equals("msgpack")) {
            options.encoder = new MessagePack.Encoder();
            options.decoder = new MessagePack.Decoder();
        }
        Socket socket = IO.socket(URI.create(command.getString("url")), options);
        SOCKETS.put(client, socket);
        socket.on(Socket.EVENT_CONNECT, nothing -> tell(client, "connect", "recovered", false));
        socket.on(Socket.EVENT_CONNECT_ERROR, errors -> tell(client, "connect_error", "data",
            errors[0] instanceof JSONObject refusal ? refusal.opt("data") : JSONObject.NULL,
            "message", errors[0].toString()));
        socket.on(Socket.EVENT_DISCONNECT, reasons -> tell(client, "disconnect", "reason", reasons[0]));
        socket.io().on(Manager.EVENT_RECONNECT_ATTEMPT, attempts -> tell(client, "reconnect_attempt"));
        for (String event : strings(wish.getJSONArray("events"))) { // version 2.0 cannot listen to all events
            socket.on(event, pushes -> tell(client, "push", "event", event, "push", pushes[0]));
        }
        socket.connect();
    }

    private static void call(String client, JSONObject command) throws JSONException {
        JSONArray arguments = command.getJSONArray("args");
        Object[] revived = new Object[arguments.length()];
        for (int index = 0; index < revived.length; index++) {
            revived[index] = revive(arguments.get(index));
        }
        int number = command.getInt("call");
        Ack tellAnswer = answers -> tell(client, "answer", "call", number, "answer", answers[0]);
        SOCKETS.get(client).emit(command.getString("method"), revived, tellAnswer);
    }

    /** {"$bytes": base64} means binary. */
    private static Object revive(Object value) throws JSONException {
        if (value instanceof JSONObject object) {
            if (object.has("$bytes")) {
                return Base64.getDecoder().decode(object.getString("$bytes"));
            }
            JSONObject revived = new JSONObject();
            for (Iterator<?> names = object.keys(); names.hasNext(); ) {
                String name = (String) names.next();
                revived.put(name, revive(object.get(name)));
            }
            return revived;
        }
        return value;
    }

    private static String[] strings(JSONArray array) throws JSONException {
        String[] strings = new String[array.length()];
        for (int index = 0; index < strings.length; index++) {
            strings[index] = array.getString(index);
        }
        return strings;
    }

    private static void tell(String client, String is, Object... fields) {
        try {
            JSONObject message = new JSONObject().put("client", client).put("is", is);
            for (int index = 0; index < fields.length; index += 2) {
                message.put((String) fields[index], fields[index + 1]);
            }
            synchronized (OUT) {
                OUT.println(message);
            }
        } catch (JSONException error) {
            throw new IllegalStateException(error);
        }
    }
}
