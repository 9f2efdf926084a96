import java.util.List;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.DescribeClusterOptions;
import org.apache.kafka.clients.admin.DescribeConsumerGroupsOptions;
import org.apache.kafka.clients.admin.DescribeTopicsOptions;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.errors.AuthorizationException;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * What the broker lets a user do: brokers, file of authorities, password of all; then lines of standard input: a user, and comma-separated
 * topics, groups and transactional ids. Prints a line for each right: user, kind, name, operation.
 */
public class Rights {
    static String user;

    public static void main(String[] given) throws Exception {
        var lines = new java.io.BufferedReader(new java.io.InputStreamReader(System.in));
        for (var line = lines.readLine(); line != null; line = lines.readLine()) {
            var parts = line.split("\t");
            user = parts[0];
            var settings = new Properties();
            settings.put("bootstrap.servers", given[0]);
            settings.put("security.protocol", "SASL_SSL");
            settings.put("sasl.mechanism", "SCRAM-SHA-512");
            settings.put("sasl.jaas.config",
                "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"" + user + "\" password=\"" + given[2] + "\";");
            settings.put("ssl.truststore.type", "PEM");
            settings.put("ssl.truststore.location", given[1]);
            try (var admin = Admin.create(settings)) {
                show("cluster", "", admin.describeCluster(new DescribeClusterOptions().includeAuthorizedOperations(true)).authorizedOperations());
                var topics = admin.describeTopics(List.of(parts[1].split(",")), new DescribeTopicsOptions().includeAuthorizedOperations(true));
                for (var topic : topics.topicNameValues().entrySet()) {
                    show("topic", topic.getKey(), topic.getValue().thenApply(found -> found.authorizedOperations()));
                }
                var groups = admin.describeConsumerGroups(
                    List.of(parts[2].split(",")), new DescribeConsumerGroupsOptions().includeAuthorizedOperations(true));
                for (var group : groups.describedGroups().entrySet()) {
                    show("group", group.getKey(), group.getValue().thenApply(found -> found.authorizedOperations()));
                }
            }
            for (var id : parts[3].split(",")) {
                begin(settings, id);
            }
        }
    }

    static void show(String kind, String name, KafkaFuture<Set<AclOperation>> operations) throws Exception {
        try {
            for (var operation : operations.get()) {
                System.out.println(user + "\t" + kind + "\t" + name + "\t" + operation);
            }
        } catch (ExecutionException refused) {
            if (!(refused.getCause() instanceof AuthorizationException)) {
                throw refused;
            }
        }
    }

    static void begin(Properties settings, String id) {
        settings.put("transactional.id", id);
        try (var producer = new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
            producer.initTransactions();
            System.out.println(user + "\ttransactional id\t" + id + "\tWRITE");
        } catch (AuthorizationException refused) {
            return;
        }
    }
}
