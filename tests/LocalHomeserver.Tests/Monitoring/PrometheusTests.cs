using Microsoft.Data.Sqlite;

namespace LocalHomeserver.Tests;

/// <summary>A real Prometheus scrapes the sample while it works: its values are what was done, and its names are those of the pages.</summary>
[Category("Slow")]
internal sealed class PrometheusTests
{
    private MonitoredServer _server = null!;
    private PrometheusServer _prometheus = null!;

    [OneTimeSetUp]
    public async Task StartAsync()
    {
        RequiredPrometheus.Programs();
        _server = await MonitoredServer.StartAsync();
        _prometheus = await PrometheusServer.StartAsync(_server.Address);
        await _prometheus.ReachesAsync("up{job=\"todevice\"}", 1);
        await LoadAsync();
    }

    [OneTimeTearDown]
    public async Task StopAsync()
    {
        _prometheus?.Dispose();
        if (_server is not null) await _server.DisposeAsync();
    }

    [Test]
    public async Task D17_what_Prometheus_has_is_what_was_done()
    {
        (string Expression, double Value)[] done =
        [
            (Sends("committed"), 20 + 4 + 3 + 1 + 1), (Sends("duplicate"), 5), (Sends("refused"), 2), (Sends("unavailable"), 1),
            ("sum(matrix_to_device_accepted_total)", 20 + 4 * 2 + 1),
            ("sum(matrix_to_device_accepted_total{event_type=\"m.room.encrypted\"})", 20 + 1),
            ("sum(matrix_to_device_accepted_total{event_type=\"_OTHER\"})", 4 * 2),
            ("matrix_to_device_recognised_retries_total{kind=\"send\"}", 5), ("matrix_to_device_recognised_retries_total{kind=\"edu\"}", 0),
            ("matrix_to_device_handed_out_total", 24 + 24 + 1), ("matrix_to_device_redelivered_total", 24), ("matrix_to_device_acknowledged_total", 24 + 1),
            ("matrix_to_device_wake_ups_total{cause=\"signal\"}", 1), ("matrix_to_device_wake_ups_total{cause=\"look\"}", 0),
            ("matrix_to_device_waiting_syncs", 0),
            ("sum(matrix_to_device_store_commit_duration_seconds_count{outcome=\"committed\"})", 29),
            ("sum(matrix_to_device_store_batch_size_sum)", 29 + 5),
            ("matrix_to_device_store_errors_total{operation=\"commit\"}", 1), ("matrix_to_device_store_errors_total{operation=\"read\"}", 0),
            ("matrix_to_device_inbox_messages", 4), ("matrix_to_device_inbox_non_empty", 1), ("matrix_to_device_inbox_largest", 4),
            ("matrix_to_device_outbox_destinations{state=\"failing\"}", 1), ("matrix_to_device_outbox_edus{state=\"failing\"}", 3),
            ("matrix_to_device_outbox_destinations{state=\"working\"}", 0), ("matrix_to_device_outbox_edus{state=\"working\"}", 0),
            ("matrix_to_device_federation_sent_total", 0), ("sum(matrix_to_device_federation_given_up_total)", 0),
            ("sum(matrix_to_device_appservice_transaction_duration_seconds_count{outcome=\"received\"})", 1),
        ];
        var failures = new List<string>();
        foreach (var (expression, value) in done)
        {
            try
            {
                await _prometheus.ReachesAsync(expression, value);
            }
            catch (AssertionException exception)
            {
                failures.Add(exception.Message);
            }

            await TestContext.Out.WriteLineAsync($"{await _prometheus.QueryAsync(expression),4}  {expression}");
        }

        Assert.That(failures, Is.Empty);
        Assert.That(await _prometheus.QueryAsync("matrix_to_device_inbox_oldest_age_seconds"), Is.Positive);
        Assert.That(await _prometheus.QueryAsync("matrix_to_device_federation_transaction_duration_seconds_count{outcome=\"failed\"}"), Is.Positive);
        // The bounds are of seconds: a send that takes 5 ms is not in the first of them, nor are all in one.
        Assert.That(await _prometheus.QueryAsync("count(count by (le) (matrix_to_device_send_duration_seconds_bucket))"), Is.EqualTo(15));
    }

    [Test]
    public async Task D17_the_page_and_the_dashboard_and_the_rules_name_what_is_emitted_and_the_page_all_of_it()
    {
        // What the PostgreSQL store alone measures.
        await using var shared = await MonitoredServer.StartAsync("postgresql", PostgreSql.Setting, PostgreSql.NewDatabase());
        var emitted = new EmittedMetrics(await _server.MetricsAsync() + await shared.MetricsAsync());

        using (Assert.EnterMultipleScope())
        {
            Assert.That(MonitoringPage.Metrics, Is.EquivalentTo(emitted.Names));
            foreach (var (file, names) in OpsFiles.Metrics) Assert.That(names.Except(emitted.SeriesNames), Is.Empty, file);
            Assert.That(emitted.Labels.Except(MonitoringPage.Labels), Is.Empty, "the page does not tell of them");
            foreach (var (file, labels) in OpsFiles.Labels) Assert.That(labels.Except(MonitoringPage.Labels), Is.Empty, file);
        }
    }

    private static string Sends(string outcome) => $"sum(matrix_to_device_send_duration_seconds_count{{outcome=\"{outcome}\"}})";

    private async Task LoadAsync()
    {
        var (alice, bob) = (await _server.RegisterAsync("alice", "A1"), await _server.RegisterAsync("bob", "B1"));
        var tablet = await _server.LoginAsync(bob.UserId, "B2");
        for (var n = 0; n < 20; n++) (await alice.SendAsync(bob.UserId, bob.DeviceId, $"t{n}")).Ok();
        for (var n = 0; n < 5; n++) (await alice.SendAsync(bob.UserId, bob.DeviceId, $"t{n}")).Ok();
        for (var n = 0; n < 4; n++) (await alice.SendAsync(bob.UserId, "*", $"all{n}", "org.example.custom")).Ok();
        for (var n = 0; n < 2; n++) (await alice.PutAsync("m.dummy", $"bad{n}", "[]")).IsError(400, "M_BAD_JSON");
        for (var n = 0; n < 3; n++) (await alice.SendAsync("@carol:hs2.localhost", "C1", $"far{n}")).Ok();
        (await alice.SendAsync((await _server.AddGhostAsync()).UserId, "G1", "ghost")).Ok();

        // Handed out, handed out again, and acknowledged; then a wait that a message ends.
        Assert.That((await bob.SyncAsync()).Texts, Has.Length.EqualTo(24));
        var sync = await bob.SyncAsync();
        var poll = bob.SyncAsync(sync.NextBatch, timeout: 30_000);
        await _prometheus.ReachesAsync("matrix_to_device_waiting_syncs", 1);
        (await alice.SendAsync(bob.UserId, bob.DeviceId, "wakes")).Ok();
        await bob.SyncAsync((await poll).NextBatch);
        Assert.That((tablet.DeviceId, sync.Texts.Length), Is.EqualTo(("B2", 24)));

        // Somebody holds the file for longer than the store waits for it.
        await using var other = new SqliteConnection($"Data Source={_server.Messages};Pooling=False");
        await other.OpenAsync();
        await using (await other.BeginTransactionAsync())
        {
            await using var command = other.CreateCommand();
            command.CommandText = "CREATE TABLE held (x)";
            await command.ExecuteNonQueryAsync();
            (await alice.SendAsync(bob.UserId, bob.DeviceId, "held")).IsError(503, "M_UNKNOWN");
        }
    }
}
