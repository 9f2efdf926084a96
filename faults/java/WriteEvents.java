import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Properties;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.StringSerializer;

/** Writes events as an application in Java would, compressed: bootstrap servers and topic; lines of standard input are `key TAB event`. */
public class WriteEvents {
    public static void main(String[] given) throws Exception {
        var settings = new Properties();
        settings.put("bootstrap.servers", given[0]);
        settings.put("compression.type", "zstd");
        settings.put("linger.ms", "20");
        var type = "application/cloudevents+json".getBytes(StandardCharsets.UTF_8);
        var text = new StringSerializer();
        var stored = new ArrayList<Future<RecordMetadata>>();
        var lines = new java.io.BufferedReader(new java.io.InputStreamReader(System.in, StandardCharsets.UTF_8));
        try (var producer = new KafkaProducer<>(settings, text, text)) {
            for (var line = lines.readLine(); line != null; line = lines.readLine()) {
                var parts = line.split("\t", 2);
                var record = new ProducerRecord<>(given[1], parts[0], parts[1]);
                record.headers().add("content-type", type);
                stored.add(producer.send(record));
            }
            for (var one : stored) {
                one.get();
            }
        }
    }
}
