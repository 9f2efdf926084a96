import java.nio.charset.StandardCharsets;
import java.util.Properties;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

/** Writes one event as an application in Java would: bootstrap servers, topic, value, then headers as name=value. */
public class SendEvent {
    public static void main(String[] given) throws Exception {
        var settings = new Properties();
        settings.put("bootstrap.servers", given[0]);
        settings.put("acks", "all");
        var text = new StringSerializer();
        try (var producer = new KafkaProducer<>(settings, text, text)) {
            var record = new ProducerRecord<>(given[1], "a key of its own", given[2]);
            for (int i = 3; i < given.length; i++) {
                var header = given[i].split("=", 2);
                record.headers().add(header[0], header[1].getBytes(StandardCharsets.UTF_8));
            }
            producer.send(record).get();
        }
    }
}
