using System.Collections.Concurrent;
using System.Text;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>The way to other servers: a test takes each transaction as it comes, and answers it.</summary>
internal sealed class TestTransport : IFederationTransport
{
    private readonly ConcurrentDictionary<string, Channel<Transaction>> _arrived = new();

    public static TestTransport Of(TestHomeserver server) => (TestTransport)server.Services.GetRequiredService<IFederationTransport>();

    /// <summary>Has the server send through this, with pauses that no test has to wait for.</summary>
    public static void Add(ISendToDeviceBuilder builder, Action<FederationSenderOptions>? configure = null) =>
        builder.UseFederation<TestTransport>(options =>
        {
            options.MinPause = options.MaxPause = TimeSpan.FromTicks(1);
            options.PollInterval = TimeSpan.FromMilliseconds(5);
            configure?.Invoke(options);
        });

    public async ValueTask<FederationSendResult> SendAsync(FederationTransaction transaction, CancellationToken cancellationToken)
    {
        var arrived = new Transaction(transaction, cancellationToken);
        To(transaction.Destination).Writer.TryWrite(arrived);
        return await arrived.Answer.WaitAsync(cancellationToken);
    }

    /// <summary>The next transaction for a destination, when it comes.</summary>
    public async Task<Transaction> NextAsync(string destination = "hs2") =>
        await To(destination).Reader.ReadAsync().AsTask().WaitAsync(TimeLimit.OfOneWait);

    /// <summary>Whether a transaction has come that nobody has taken.</summary>
    public bool HasNext(string destination = "hs2") => To(destination).Reader.TryPeek(out _);

    private Channel<Transaction> To(string destination) => _arrived.GetOrAdd(destination, _ => Channel.CreateUnbounded<Transaction>());

    /// <summary>A transaction that waits for its answer.</summary>
    internal sealed class Transaction(FederationTransaction sent, CancellationToken cancelled)
    {
        private readonly TaskCompletionSource<FederationSendResult> _answer = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public string Id => sent.TransactionId;
        public FederationTransaction Sent => sent;
        public CancellationToken Cancelled => cancelled;
        public Task<FederationSendResult> Answer => _answer.Task;
        public IEnumerable<string> MessageIds => sent.Edus.Select(edu => edu.MessageId);

        /// <summary>The numbers in the contents <c>{"n":…}</c> of its messages, in order.</summary>
        public IReadOnlyList<int> Numbers { get; } = [.. sent.Edus.SelectMany(edu => Numbered(edu))];

        public void Received() => _answer.SetResult(FederationSendResult.Received);

        public void Fails(TimeSpan? retryAfter = null) => _answer.SetResult(FederationSendResult.Of(502, retryAfter));

        public void Refused() => _answer.SetResult(FederationSendResult.Of(413));

        public void Denied() => _answer.SetResult(FederationSendResult.Of(401));

        public void Throws() => _answer.SetException(new HttpRequestException("The connection was cut."));

        private static IEnumerable<int> Numbered(OutboxEntry edu) =>
            JsonNode.Parse(Encoding.UTF8.GetString(edu.Content.Span))!["messages"]!.AsObject()
                .SelectMany(user => user.Value!.AsObject())
                .Select(device => (int?)device.Value!["n"] ?? -1);
    }
}
