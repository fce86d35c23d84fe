import io.socket.parser.Packet;
import io.socket.parser.Parser;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Iterator;
import java.util.Map;
import org.json.JSONArray;
import org.json.JSONException;
import org.json.JSONObject;
import org.msgpack.core.MessageBufferPacker;
import org.msgpack.core.MessagePacker;
import org.msgpack.core.MessageUnpacker;
import org.msgpack.value.Value;

/** The code that an app needs for MessagePack, with the client's own encoder and decoder options. */
final class MessagePack {
    private MessagePack() {}

    static final class Encoder implements Parser.Encoder {
        @Override
        public void encode(Packet packet, Callback callback) {
            boolean hasId = packet.id >= 0;
            boolean hasData = packet.data != null;
            try (MessageBufferPacker packer = org.msgpack.core.MessagePack.newDefaultBufferPacker()) {
                packer.packMapHeader(2 + (hasData ? 1 : 0) + (hasId ? 1 : 0));
                packer.packString("type").packInt(packet.type);
                packer.packString("nsp").packString(packet.nsp == null ? "/" : packet.nsp);
                if (hasData) {
                    pack(packer.packString("data"), packet.data);
                }
                if (hasId) {
                    packer.packString("id").packInt(packet.id);
                }
                callback.call(new Object[] {packer.toByteArray()});
            } catch (IOException | JSONException error) {
                throw new IllegalStateException(error);
            }
        }

        private static void pack(MessagePacker packer, Object value) throws IOException, JSONException {
            if (value instanceof JSONObject object) {
                packer.packMapHeader(object.length());
                for (Iterator<?> names = object.keys(); names.hasNext(); ) {
                    String name = (String) names.next();
                    pack(packer.packString(name), object.get(name));
                }
            } else if (value instanceof JSONArray array) {
                packer.packArrayHeader(array.length());
                for (int index = 0; index < array.length(); index++) {
                    pack(packer, array.get(index));
                }
            } else if (value instanceof byte[] bytes) {
                packer.packBinaryHeader(bytes.length).writePayload(bytes);
            } else if (value instanceof String text) {
                packer.packString(text);
            } else if (value instanceof Boolean truth) {
                packer.packBoolean(truth);
            } else if (value instanceof Double || value instanceof Float) {
                packer.packDouble(((Number) value).doubleValue());
            } else if (value instanceof Number number) {
                packer.packLong(number.longValue());
            } else {
                packer.packNil(); // JSONObject.NULL
            }
        }
    }

    static final class Decoder implements Parser.Decoder {
        private Callback callback;

        @Override
        public void add(String text) {
            throw new IllegalArgumentException("text where MessagePack is due: " + text);
        }

        @Override
        public void add(byte[] data) {
            try (MessageUnpacker unpacker = org.msgpack.core.MessagePack.newDefaultUnpacker(data)) {
                JSONObject read = (JSONObject) unpack(unpacker.unpackValue());
                Packet<Object> packet = new Packet<>(read.getInt("type"));
                packet.nsp = read.getString("nsp");
                packet.id = read.optInt("id", -1);
                packet.data = read.opt("data");
                callback.call(packet);
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            } catch (JSONException error) {
                throw new IllegalStateException(error);
            }
        }

        @Override
        public void destroy() {}

        @Override
        public void onDecoded(Callback callback) {
            this.callback = callback;
        }

        private static Object unpack(Value value) throws JSONException {
            switch (value.getValueType()) {
                case MAP: {
                    JSONObject object = new JSONObject();
                    for (Map.Entry<Value, Value> entry : value.asMapValue().entrySet()) {
                        object.put(entry.getKey().asStringValue().asString(), unpack(entry.getValue()));
                    }
                    return object;
                }
                case ARRAY: {
                    JSONArray array = new JSONArray();
                    for (Value item : value.asArrayValue()) {
                        array.put(unpack(item));
                    }
                    return array;
                }
                case STRING:
                    return value.asStringValue().asString();
                case BOOLEAN:
                    return value.asBooleanValue().getBoolean();
                case INTEGER:
                    return value.asIntegerValue().toLong();
                case FLOAT:
                    return value.asFloatValue().toDouble();
                case BINARY:
                    return value.asBinaryValue().asByteArray();
                default:
                    return JSONObject.NULL;
            }
        }
    }
}
