namespace Matrix.ToDevice;

/// <summary>The homeserver's own rules for what is sent: against spam, for example. See <c>UseMessagePolicy</c>.</summary>
public interface IMessagePolicy
{
    /// <summary>Decides about one send of a client, or one EDU of another server, before anybody is looked up.</summary>
    /// <remarks>
    /// Called for each, so that a slow one makes every send slow, and again for a retry; the retry of a send that was accepted is answered 200
    /// whatever is decided then. Any exception means that it cannot be decided at the moment: nothing is delivered, and the sender is told to
    /// try again later (503, D3).
    /// </remarks>
    /// <param name="send">What is sent. Its contents are valid during the call.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    ValueTask<PolicyDecision> DecideAsync(PolicySend send, CancellationToken cancellationToken);
}

/// <summary>What an <see cref="IMessagePolicy"/> decides about.</summary>
/// <param name="Sender">The sender's user ID.</param>
/// <param name="Origin">The other server that it comes from; null for a client of this one.</param>
/// <param name="EventType">The event type of all messages.</param>
/// <param name="Messages">The messages, to whomever they are: this server's users, other servers' and appservices'.</param>
public readonly record struct PolicySend(string Sender, string? Origin, string EventType, IReadOnlyList<PolicyMessage> Messages);

/// <summary>One message of a <see cref="PolicySend"/>.</summary>
/// <param name="Recipient">
/// To whom, as the sender has written it: a device ID <c>*</c> stands for all devices, and there may be no such user or device.
/// </param>
/// <param name="Content">The content, UTF-8 JSON; valid during the call.</param>
public readonly record struct PolicyMessage(DeviceAddress Recipient, ReadOnlyMemory<byte> Content);

/// <summary>What an <see cref="IMessagePolicy"/> has decided.</summary>
public sealed class PolicyDecision
{
    private PolicyDecision()
    {
    }

    /// <summary>All messages are delivered.</summary>
    public static PolicyDecision Accept { get; } = new();

    internal ToDeviceError? Rejection { get; private init; }

    internal IReadOnlySet<DeviceAddress>? Dropped { get; private init; }

    /// <summary>
    /// Nothing is delivered, and the client is answered this error. An EDU of another server is dropped: there is no answer to one.
    /// </summary>
    /// <param name="error">For example <c>new ToDeviceError(403, "M_FORBIDDEN", "…")</c>.</param>
    /// <exception cref="ArgumentException">Its status is not 400 to 499.</exception>
    public static PolicyDecision Reject(ToDeviceError error)
    {
        ArgumentNullException.ThrowIfNull(error);
        return error.StatusCode is >= 400 and <= 499
            ? new PolicyDecision { Rejection = error }
            : throw new ArgumentException($"A rejection is a 4xx, and not {error.StatusCode}: what cannot be decided is an exception.", nameof(error));
    }

    /// <summary>The messages to these recipients are dropped, counted and logged; the others are delivered, and the client is answered 200.</summary>
    /// <param name="recipients"><see cref="PolicyMessage.Recipient"/> of each.</param>
    public static PolicyDecision Drop(IEnumerable<DeviceAddress> recipients)
    {
        ArgumentNullException.ThrowIfNull(recipients);
        return new PolicyDecision { Dropped = recipients.ToHashSet() };
    }
}
