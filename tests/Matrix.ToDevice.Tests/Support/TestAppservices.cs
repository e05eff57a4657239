using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>The way to appservices: a test takes each transaction as it comes, and answers it.</summary>
internal sealed class TestAppservices : IAppserviceTransport
{
    private readonly ConcurrentDictionary<string, Channel<Push>> _arrived = new();

    /// <summary>The bridge of most tests: <c>@_irc_…</c> are its own, and it sees what <c>@seen_…</c> get.</summary>
    public static Appservice Irc { get; } = new(
        "irc", "@irc_bot:hs1", [new AppserviceNamespace("@_irc_.*", isExclusive: true), new AppserviceNamespace("@seen_.*", isExclusive: false)]);

    public static TestAppservices Of(TestHomeserver server) => (TestAppservices)server.Services.GetRequiredService<IAppserviceTransport>();

    /// <summary>Has the server push through this, with pauses that no test has to wait for.</summary>
    public static void Add(ISendToDeviceBuilder builder, params Appservice[] appservices) => Add(builder, _ => { }, appservices);

    public static void Add(ISendToDeviceBuilder builder, Action<AppserviceOptions> configure, params Appservice[] appservices) =>
        builder.UseAppservices<TestAppservices>(options =>
        {
            foreach (var appservice in appservices) options.Appservices.Add(appservice);
            options.MinPause = options.MaxPause = TimeSpan.FromTicks(1);
            options.PollInterval = TimeSpan.FromMilliseconds(5);
            configure(options);
        });

    public async ValueTask<AppserviceSendResult> SendAsync(AppserviceTransaction transaction, CancellationToken cancellationToken)
    {
        var arrived = new Push(transaction, cancellationToken);
        To(transaction.AppserviceId).Writer.TryWrite(arrived);
        return await arrived.Answer.WaitAsync(cancellationToken);
    }

    /// <summary>The next transaction for an appservice, when it comes.</summary>
    public async Task<Push> NextAsync(string id = "irc") => await To(id).Reader.ReadAsync().AsTask().WaitAsync(TimeLimit.OfOneWait);

    /// <summary>Whether a transaction has come that nobody has taken.</summary>
    public bool HasNext(string id = "irc") => To(id).Reader.TryPeek(out _);

    private Channel<Push> To(string id) => _arrived.GetOrAdd(id, _ => Channel.CreateUnbounded<Push>());

    /// <summary>A transaction that waits for its answer.</summary>
    internal sealed class Push(AppserviceTransaction sent, CancellationToken cancelled)
    {
        private readonly TaskCompletionSource<AppserviceSendResult> _answer = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public string Id => sent.TransactionId;
        public AppserviceTransaction Sent => sent;
        public CancellationToken Cancelled => cancelled;
        public Task<AppserviceSendResult> Answer => _answer.Task;

        /// <summary>The body, as it was when it came.</summary>
        public string Body { get; } = BodyOf(sent);

        public IReadOnlyList<JsonObject> Events => [.. JsonNode.Parse(Body)!["to_device"]!.AsArray().Select(message => message!.AsObject())];

        /// <summary>The numbers in the contents <c>{"n":…}</c> of its messages, in order.</summary>
        public IEnumerable<int> Numbers => Events.Select(message => (int?)message["content"]!["n"] ?? -1);

        public void Received() => _answer.SetResult(AppserviceSendResult.Received);

        public void Fails(int status = 502, TimeSpan? retryAfter = null) => _answer.SetResult(AppserviceSendResult.Of(status, retryAfter));

        public void Throws() => _answer.SetException(new HttpRequestException("The connection was cut."));

        public static string BodyOf(AppserviceTransaction transaction, AppserviceToDeviceKeys keys = AppserviceToDeviceKeys.Both)
        {
            using var body = new MemoryStream();
            using (var json = new Utf8JsonWriter(body)) transaction.WriteTo(json, keys);
            return Encoding.UTF8.GetString(body.ToArray());
        }
    }
}
