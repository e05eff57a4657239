using System.Diagnostics.Metrics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Matrix.ToDevice.Tests;

/// <summary>What is only said about a message fails neither its sending nor its delivery (D24).</summary>
public class FaultyListenerTests
{
    private const string Traced = """{"org.matrix.msgid":"ID1"}""";

    [Test]
    public async Task D24_a_log_that_fails_fails_no_send_and_no_sync([Values] bool whenAsked)
    {
        using var log = new FaultyLog(whenAsked);
        await using var server = await TestHomeserver.StartAsync(builder => builder.Services.AddLogging(
            logging => logging.SetMinimumLevel(LogLevel.Trace).AddProvider(log)));

        await EverythingWorksAsync(server);

        Assert.That(log.Failures, Is.Positive, "The test has failed something.");
    }

    [Test]
    public async Task D24_a_listener_to_the_metrics_that_fails_fails_no_send_and_no_sync()
    {
        var failures = 0;
        using var listener = new MeterListener();
        await using var server = await TestHomeserver.StartAsync();
        var meters = server.Services.GetRequiredService<IMeterFactory>();
        listener.InstrumentPublished = (instrument, self) =>
        {
            if (instrument.Meter.Name == "Matrix.ToDevice" && instrument.Meter.Scope == meters) self.EnableMeasurementEvents(instrument);
        };
        listener.SetMeasurementEventCallback<long>((_, _, _, _) => Fail());
        listener.SetMeasurementEventCallback<double>((_, _, _, _) => Fail());
        listener.Start();

        await EverythingWorksAsync(server);

        Assert.That(failures, Is.Positive, "The test has failed something.");

        void Fail()
        {
            Interlocked.Increment(ref failures);
            throw new InvalidOperationException("The listener has failed.");
        }
    }

    /// <summary>Every kind of answer, so that every line of the log is written.</summary>
    private static async Task EverythingWorksAsync(TestHomeserver server)
    {
        var alice = server.Login("@alice:hs1", "A1");
        var bob = server.Login("@bob:hs1", "B1");

        (await alice.SendAsync("t1", "@bob:hs1", "B1", Traced)).ShouldBeAccepted();
        (await alice.SendAsync("t1", "@bob:hs1", "B1", Traced)).ShouldBeAccepted();
        (await alice.PutAsync("m.test", "t2", "[]")).ShouldBe(400, "M_BAD_JSON");
        var sync = await bob.SyncAsync();
        Assert.That(sync.Contents, Is.EqualTo(new[] { Traced }));
        Assert.That((await bob.SyncAsync(sync.NextBatch, timeout: 1)).Events, Is.Empty);

        var receiver = server.Services.GetRequiredService<FederationReceiver>();
        Assert.That(await receiver.ReceiveAsync("hs2", "[]"u8.ToArray(), default), Is.EqualTo(ReceivedEdu.Malformed));
        var edu = """{"sender":"@carol:hs2","type":"m.test","message_id":"m1","messages":{"@bob:hs1":{"*":{"n":1}}}}"""u8.ToArray();
        Assert.That(await receiver.ReceiveAsync("hs2", edu, default), Is.EqualTo(ReceivedEdu.Delivered));
        Assert.That(await receiver.ReceiveAsync("hs3", edu, default), Is.EqualTo(ReceivedEdu.SenderNotOfOrigin));
        Assert.That((await bob.SyncAsync(sync.NextBatch)).Contents, Is.EqualTo(new[] { """{"n":1}""" }));
    }

    private sealed class FaultyLog(bool whenAsked) : ILoggerProvider, ILogger
    {
        private int _failures;

        public int Failures => _failures;

        public ILogger CreateLogger(string categoryName) =>
            categoryName.StartsWith("Matrix.ToDevice", StringComparison.Ordinal) ? this : NullLogger.Instance;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => !whenAsked || Fail();

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) => Fail();

        public void Dispose()
        {
        }

        private bool Fail()
        {
            Interlocked.Increment(ref _failures);
            throw new InvalidOperationException("The log has failed.");
        }
    }
}
