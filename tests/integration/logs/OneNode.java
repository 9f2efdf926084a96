import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.opensearch.cluster.service.ClusterService;
import org.opensearch.common.settings.Settings;
import org.opensearch.env.Environment;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.node.Node;
import org.opensearch.transport.Netty4Plugin;

/** A node of OpenSearch by itself: its folder, and the port on loopback at which it answers HTTP. It ends with SIGTERM, and keeps what it was given. */
public class OneNode extends Node {
    private OneNode(Environment environment) {
        super(environment, List.of(Netty4Plugin.class), true);
    }

    public static void main(String[] given) throws Exception {
        var settings = Settings.builder()
            .put("path.home", given[0])
            .put("node.name", "only")
            .put("discovery.type", "single-node")
            .put("network.host", "127.0.0.1")
            .put("http.port", given[1])
            .put("transport.port", "0")
            .put("cluster.routing.allocation.disk.threshold_enabled", false)  // a full disk of this machine is not the test's
            .build();
        var node = new OneNode(InternalSettingsPreparer.prepareEnvironment(settings, Map.of(), null, () -> "only"));
        var ended = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                node.close();
            } catch (Exception error) {
                error.printStackTrace();
            }
            ended.countDown();
        }));
        node.start();
        ended.await();
    }

    @Override
    protected void configureNodeAndClusterIdStateListener(ClusterService service) {
        // that of log lines, which the configuration of a whole distribution would need
    }
}
