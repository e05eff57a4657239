using System.Collections.Concurrent;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace LocalHomeserver.Tests;

/// <summary>Metrics and traces go to a collector, if there is one.</summary>
internal sealed class OtlpTests
{
    [TestCase("--Otlp:Endpoint")]
    [TestCase("--OTEL_EXPORTER_OTLP_ENDPOINT")]
    public async Task D17_metrics_and_spans_come_to_the_collector(string setting)
    {
        await using var collector = await Collector.StartAsync();
        await using (var server = await Homeserver.StartAsync(
            "memory", setting, collector.Url, "--OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"))
        {
            var (alice, bob) = (await server.RegisterAsync("A1"), await server.RegisterAsync("B1"));
            (await alice.CallAsync("PUT", "/sendToDevice/m.test/t1", Traced(bob, "id-of-this-test"))).Ok();
            Assert.That((await bob.TrySyncAsync()).Status, Is.EqualTo(200));
        }

        // It has said all of it when it has stopped.
        Assert.That(collector.Received("/v1/metrics"), Does.Contain("matrix.to_device.accepted"));
        Assert.That(collector.Received("/v1/traces"), Does.Contain("to_device.send").And.Contain("to_device.hand_out").And.Contain("id-of-this-test"));
    }

    [Test]
    public async Task Without_a_collector_nothing_is_sent_and_without_metrics_none_are_shown()
    {
        await using var server = await Homeserver.StartAsync("memory", "--Metrics", "false");
        (await server.SendAsync("GET", "/metrics")).IsError(404, "M_UNRECOGNIZED");
    }

    [TestCase("--Otlp:Endpoint", "nowhere", "Otlp:Endpoint is 'nowhere'. It must be an address such as http://localhost:4317.")]
    [TestCase("--Metrics", "perhaps", "Metrics is 'perhaps'. It must be true or false.")]
    public void A_setting_that_cannot_be_is_named(string setting, string value, string message) =>
        Assert.That(() => Program.Build(["--Store", "memory", setting, value]), Throws.Exception.With.Message.EqualTo(message));

    private static object Traced(TestDevice recipient, string id) => new
    {
        messages = new Dictionary<string, object>
        {
            [recipient.UserId] = new Dictionary<string, object> { [recipient.DeviceId] = new Dictionary<string, object> { ["org.matrix.msgid"] = id, ["text"] = "" } },
        },
    };

    /// <summary>Takes what exporters send.</summary>
    private sealed class Collector : IAsyncDisposable
    {
        private readonly ConcurrentQueue<(string Path, string Body)> _received = new();
        private readonly WebApplication _app;

        private Collector()
        {
            var builder = WebApplication.CreateSlimBuilder();
            builder.Logging.ClearProviders();
            builder.WebHost.UseUrls("http://127.0.0.1:0");
            _app = builder.Build();
            _app.MapFallback("{**path}", async (HttpContext context) =>
            {
                using var body = new MemoryStream();
                await context.Request.Body.CopyToAsync(body);
                _received.Enqueue((context.Request.Path.Value!, Encoding.Latin1.GetString(body.ToArray())));
                return Results.Ok();
            });
        }

        public string Url => _app.Urls.Single();

        public static async Task<Collector> StartAsync()
        {
            var collector = new Collector();
            await collector._app.StartAsync();
            return collector;
        }

        public string Received(string path) => string.Concat(_received.Where(one => one.Path == path).Select(one => one.Body));

        public ValueTask DisposeAsync() => _app.DisposeAsync();
    }
}
