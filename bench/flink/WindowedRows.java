import java.nio.file.Path;
import java.util.Locale;
import org.apache.flink.api.common.JobExecutionResult;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.table.api.TableResult;

/**
 * Windowed rows per product, by Apache Flink: the number of events, the sum of prices and the number
 * of purchases of every product in every ten minutes of event time, from files of JSON lines.
 *
 * <p>It is the peer of {@code vitrina rows}, written the way a user of Flink SQL would: one local
 * process, one slot a file, a watermark five seconds behind, an exactly-once checkpoint each second.
 * {@code compare.sh} compiles and starts it.
 *
 * <p>The law: as many slots as files. A slot with two files would read them one after the other, and
 * the watermark of the first would make all events of the second late.
 */
public final class WindowedRows {
    private static final String CHECKPOINT_INTERVAL = "1 s";

    private WindowedRows() {}

    /**
     * Runs the job to its end and prints one line of JSON.
     *
     * @param args folder of the events, number of files in it, {@code rocksdb} or {@code hashmap},
     *     folder for checkpoints and state, and optionally a folder for the rows as CSV; without it
     *     rows are computed and thrown away
     */
    public static void main(String[] args) throws Exception {
        if (args.length < 4 || args.length > 5) {
            System.err.println("usage: WindowedRows EVENTS FILES rocksdb|hashmap SCRATCH [CSV]");
            System.exit(2);
        }
        String events = uri(args[0]);
        String files = args[1];
        String state = args[2];
        Path scratch = Path.of(args[3]);
        String sink = "'connector' = 'blackhole'";
        if (args.length == 5) {
            sink = "'connector' = 'filesystem', 'format' = 'csv', 'path' = '" + uri(args[4]) + "'";
        }

        long begin = System.nanoTime();
        EnvironmentSettings settings =
                EnvironmentSettings.newInstance()
                        .inStreamingMode()
                        .withConfiguration(configuration(files, state, scratch))
                        .build();
        TableEnvironment tables = TableEnvironment.create(settings);
        tables.executeSql(eventTable(events));
        tables.executeSql(rowTable(sink));
        TableResult submitted = tables.executeSql(query());
        JobExecutionResult done = submitted.getJobClient().orElseThrow().getJobExecutionResult().get();
        double totalSeconds = (System.nanoTime() - begin) / 1e9;
        double jobSeconds = done.getNetRuntime() / 1e3;

        String json = "{\"job_seconds\":%.3f,\"total_seconds\":%.3f}%n";
        System.out.printf(Locale.ROOT, json, jobSeconds, totalSeconds);
        // The local cluster leaves threads behind that are no daemons.
        System.exit(0);
    }

    private static Configuration configuration(String slots, String state, Path scratch) {
        Configuration configuration = new Configuration();
        configuration.setString("parallelism.default", slots);
        configuration.setString("taskmanager.numberOfTaskSlots", slots);
        configuration.setString("table.local-time-zone", "UTC");

        configuration.setString("state.backend.type", state);
        configuration.setString("execution.checkpointing.mode", "EXACTLY_ONCE");
        configuration.setString("execution.checkpointing.interval", CHECKPOINT_INTERVAL);
        configuration.setString("execution.checkpointing.storage", "filesystem");
        configuration.setString("execution.checkpointing.incremental", "true");
        String checkpoints = scratch.resolve("checkpoints").toUri().toString();
        configuration.setString("execution.checkpointing.dir", checkpoints);
        configuration.setString("io.tmp.dirs", scratch.toString());

        // Records may be handed on without a copy; SQL allows it, and it is faster.
        configuration.setString("pipeline.object-reuse", "true");
        // RocksDB's caches and write buffers live in managed memory.
        configuration.setString("taskmanager.memory.managed.size", "512m");
        configuration.setString("taskmanager.memory.network.min", "64m");
        configuration.setString("taskmanager.memory.network.max", "64m");
        configuration.setString("rest.address", "127.0.0.1");
        return configuration;
    }

    /** Only the fields that the query reads; the others are skipped in the text. */
    private static String eventTable(String events) {
        return String.join(
                "\n",
                "CREATE TABLE events (",
                "  ts BIGINT,",
                "  `type` STRING,",
                "  product_id BIGINT,",
                "  price DOUBLE,",
                "  event_time AS TO_TIMESTAMP_LTZ(ts, 3),",
                "  WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND",
                ") WITH (",
                "  'connector' = 'filesystem',",
                "  'format' = 'json',",
                "  'path' = '" + events + "'",
                ")");
    }

    private static String rowTable(String sink) {
        return String.join(
                "\n",
                "CREATE TABLE product_rows (",
                "  product_id BIGINT,",
                "  window_start TIMESTAMP(3),",
                "  events BIGINT,",
                "  price_sum DOUBLE,",
                "  purchases BIGINT",
                ") WITH (" + sink + ")");
    }

    private static String query() {
        return String.join(
                "\n",
                "INSERT INTO product_rows",
                "SELECT",
                "  product_id,",
                "  window_start,",
                "  COUNT(*),",
                "  SUM(price),",
                "  SUM(CASE WHEN `type` = 'purchase' THEN CAST(1 AS BIGINT) ELSE CAST(0 AS BIGINT) END)",
                "FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' MINUTES))",
                "GROUP BY product_id, window_start, window_end");
    }

    /** The path as a URI inside an SQL string. */
    private static String uri(String path) {
        return Path.of(path).toUri().toString().replace("'", "''");
    }
}
