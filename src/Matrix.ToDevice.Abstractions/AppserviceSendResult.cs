namespace Matrix.ToDevice;

/// <summary>How the sending of a transaction to an appservice ended: it has the messages, or the same transaction comes again later.</summary>
public readonly record struct AppserviceSendResult
{
    private AppserviceSendResult(bool isReceived, string reason, TimeSpan? retryAfter) =>
        (IsReceived, Reason, RetryAfter) = (isReceived, reason, retryAfter);

    /// <summary>The appservice answered 200: it has the messages, and they are deleted (R105).</summary>
    public static AppserviceSendResult Received { get; } = new(true, "", null);

    /// <summary>Whether the appservice has the messages; false for the default value.</summary>
    public bool IsReceived { get; }

    /// <summary>What happened, for the log.</summary>
    public string Reason => field ?? "";

    /// <summary>How long the appservice asked to be left alone.</summary>
    public TimeSpan? RetryAfter { get; }

    /// <summary>Anything else: no connection, no answer, any other status. The transaction is sent again later, as it is.</summary>
    /// <param name="reason">What happened, for the log.</param>
    /// <param name="retryAfter">How long the appservice asked to be left alone (<c>Retry-After</c>), if it did.</param>
    public static AppserviceSendResult Failed(string reason, TimeSpan? retryAfter = null) => new(false, reason, retryAfter);

    /// <summary>What an HTTP status means: 200 is received, anything else is failed.</summary>
    /// <param name="statusCode">The status of the answer.</param>
    /// <param name="retryAfter">The <c>Retry-After</c> of the answer, if it had one.</param>
    public static AppserviceSendResult Of(int statusCode, TimeSpan? retryAfter = null) =>
        statusCode == 200 ? Received : Failed($"The answer was {statusCode}.", retryAfter);
}
