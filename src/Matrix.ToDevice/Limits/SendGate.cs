using Microsoft.Extensions.Logging;

namespace Matrix.ToDevice;

/// <summary>Whether a send, or an EDU of another server, may pass, and what of it: the host's policy, and the limits of what goes to one user.</summary>
internal sealed class SendGate(SendRates rates, ToDeviceMetrics metrics, QuietLogger<SendGate> logger, IMessagePolicy? policy = null)
{
    /// <summary>Whether anybody has to be asked.</summary>
    public bool IsOpen => policy is null && !rates.LimitRecipients;

    /// <summary>Drops from the body what must not pass.</summary>
    /// <param name="sender">The sender's user ID.</param>
    /// <param name="origin">The server that an EDU comes from; null for a client of this one.</param>
    /// <param name="eventType">The event type.</param>
    /// <param name="body">Who gets what.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>What the send is refused with; null when it passes, or what is left of it.</returns>
    public async ValueTask<ToDeviceError?> PassAsync(
        string sender, string? origin, string eventType, SendBody body, CancellationToken cancellationToken)
    {
        if (policy is not null && await DecideAsync(policy, sender, origin, eventType, body, cancellationToken) is { } rejection) return rejection;
        return rates.LimitRecipients ? Limit(sender, origin, body) : null;
    }

    private async ValueTask<ToDeviceError?> DecideAsync(
        IMessagePolicy rules, string sender, string? origin, string eventType, SendBody body, CancellationToken cancellationToken)
    {
        var messages = new List<PolicyMessage>(body.TargetCount);
        for (var user = 0; user < body.UserIds.Count; user++)
        {
            foreach (var target in body.TargetsOf(user))
                messages.Add(new PolicyMessage(new DeviceAddress(body.UserIds[user], target.DeviceId), body.ContentOf(target)));
        }

        PolicyDecision decision;
        try
        {
            decision = await rules.DecideAsync(new PolicySend(sender, origin, eventType, messages), cancellationToken)
                ?? throw new InvalidOperationException($"{rules.GetType()} has decided nothing.");
        }
        catch (ToDeviceErrorException exception)
        {
            // A rejection is said, and not thrown: the client would drop for good what could not be decided.
            throw new InvalidOperationException($"{rules.GetType()} has failed.", exception);
        }

        if (decision.Rejection is { } rejection)
        {
            if (origin is not null) Dropped(DropReason.Policy, messages.Count, sender);
            return rejection;
        }

        if (decision.Dropped is { Count: > 0 } recipients)
        {
            var dropped = 0;
            for (var user = 0; user < body.UserIds.Count; user++)
            {
                var userId = body.UserIds[user];
                dropped += body.Drop(user, deviceId => recipients.Contains(new DeviceAddress(userId, deviceId)));
            }

            Dropped(DropReason.Policy, dropped, sender);
        }

        return null;
    }

    private ToDeviceError? Limit(string sender, string? origin, SendBody body)
    {
        var permits = body.Permits = rates.OfRecipients(sender, body.UserIds);
        if (permits.Refused is not { } refused) return null;
        if (origin is null) return LimitExceeded.Of(refused);

        // The origin would repeat all of its transaction for it, with what others there have sent.
        var dropped = 0;
        for (var user = 0; user < body.UserIds.Count; user++)
            if (permits.IsRefused(user)) dropped += body.Drop(user);
        Dropped(DropReason.Rate, dropped, sender);
        return null;
    }

    private void Dropped(string reason, int messages, string sender)
    {
        if (messages == 0) return;
        metrics.Dropped(reason, messages);
        Log.Dropped(logger, messages, reason);
        Log.DroppedOf(logger, messages, reason, sender);
    }
}
