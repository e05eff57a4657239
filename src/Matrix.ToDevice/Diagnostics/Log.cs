using Microsoft.Extensions.Logging;

namespace Matrix.ToDevice;

/// <summary>
/// Everything the module logs. No tokens and no contents; recipients and devices only at Debug (D17). What others have written is a
/// <see cref="OneLine"/> (D24).
/// </summary>
internal static partial class Log
{
    [LoggerMessage(1, LogLevel.Error, "A send could not be carried out; the client was asked to try again")]
    public static partial void SendUnavailable(ILogger logger, Exception exception);

    [LoggerMessage(2, LogLevel.Debug, "Committed {Messages} messages and {Edus} EDUs of type {EventType} from {Sender}, send {SendId}")]
    public static partial void Committed(ILogger logger, int messages, int edus, OneLine eventType, OneLine sender, long sendId);

    [LoggerMessage(3, LogLevel.Debug, "A send from {Sender} of type {EventType} was a retry of a committed transaction")]
    public static partial void Duplicate(ILogger logger, OneLine sender, OneLine eventType);

    [LoggerMessage(4, LogLevel.Debug, "A send was refused with {StatusCode} {ErrorCode}: {Error}")]
    public static partial void Refused(ILogger logger, int statusCode, OneLine errorCode, OneLine error);

    [LoggerMessage(5, LogLevel.Debug, "A device was removed in the middle of a send from {Sender}; looking everybody up again")]
    public static partial void DeviceRemovedDuringSend(ILogger logger, OneLine sender);

    [LoggerMessage(6, LogLevel.Warning, "The device directory says that a user belongs to another server, but the store has no federation outbox; the message was dropped")]
    public static partial void NoFederationOutbox(ILogger logger);

    [LoggerMessage(7, LogLevel.Error, "A sync could not be carried out; the client was asked to try again")]
    public static partial void SyncUnavailable(ILogger logger, Exception exception);

    [LoggerMessage(8, LogLevel.Error, "Expired transaction records could not be purged; the next run tries again")]
    public static partial void PurgeFailed(ILogger logger, Exception exception);

    [LoggerMessage(9, LogLevel.Debug, "Purged {Records} expired transaction records")]
    public static partial void Purged(ILogger logger, int records);

    [LoggerMessage(10, LogLevel.Information, "Accepted to-device message {MessageId} of type {EventType} from {Sender}")]
    public static partial void MessageAccepted(ILogger logger, OneLine messageId, OneLine eventType, OneLine sender);

    [LoggerMessage(11, LogLevel.Information, "Handed out to-device message {MessageId} of type {EventType} from {Sender}")]
    public static partial void MessageHandedOut(ILogger logger, OneLine messageId, OneLine eventType, OneLine sender);

    [LoggerMessage(12, LogLevel.Warning, "An EDU from {Origin} was dropped: its sender is not a user of that server")]
    public static partial void EduSpoofed(ILogger logger, OneLine origin);

    [LoggerMessage(13, LogLevel.Warning, "An EDU from {Origin} was dropped: {Error}")]
    public static partial void EduMalformed(ILogger logger, OneLine origin, OneLine error);

    [LoggerMessage(14, LogLevel.Error, "The federation outbox is not to be had at the moment; sending goes on when it is")]
    public static partial void OutboxUnavailable(ILogger logger, Exception exception);

    [LoggerMessage(15, LogLevel.Information, "Sending to {Destination} failed: {Reason} Failures in a row: {Failures}; the next try is in {Pause}")]
    public static partial void SendFailed(ILogger logger, OneLine destination, OneLine reason, int failures, TimeSpan pause);

    [LoggerMessage(16, LogLevel.Information, "{Destination} refused a transaction of {Edus} EDUs: {Reason} It is split")]
    public static partial void TransactionSplit(ILogger logger, OneLine destination, int edus, OneLine reason);

    [LoggerMessage(17, LogLevel.Error, "The EDU {MessageId} for {Destination} was given up: {Reason} Its messages are lost")]
    public static partial void EduGivenUp(ILogger logger, OneLine messageId, OneLine destination, OneLine reason);

    [LoggerMessage(18, LogLevel.Information, "The lease of {Destination} is over: another host may send to it now")]
    public static partial void LeaseLost(ILogger logger, OneLine destination);

    [LoggerMessage(19, LogLevel.Warning, "{Contents} contents of an EDU from {Origin} were left out: they are too large or nest too deep")]
    public static partial void ContentsLeftOut(ILogger logger, int contents, OneLine origin);

    [LoggerMessage(EventId = 20, Message = "Sending to appservice {Appservice} failed: {Reason} Failures in a row: {Failures}; the next try is in {Pause}")]
    public static partial void PushFailed(ILogger logger, LogLevel level, OneLine appservice, OneLine reason, int failures, TimeSpan pause);

    [LoggerMessage(21, LogLevel.Error, "The entry {MessageId} for appservice {Appservice} was given up: its time was over. Its messages are lost")]
    public static partial void PushGivenUp(ILogger logger, OneLine messageId, OneLine appservice);

    [LoggerMessage(22, LogLevel.Warning, "Messages wait for {Destination}, and no such appservice is registered on this host")]
    public static partial void UnknownAppservice(ILogger logger, OneLine destination);

    [LoggerMessage(23, LogLevel.Warning, "The observer of other servers' devices failed")]
    public static partial void DeviceNotTold(ILogger logger, Exception exception);
    [LoggerMessage(24, LogLevel.Warning, "{Messages} messages of {Sender} were left out of the queues of appservices: not every reader of JSON can read them")]
    public static partial void NotForAppservices(ILogger logger, int messages, OneLine sender);

    [LoggerMessage(60, LogLevel.Information, "{Messages} messages were dropped: {Reason}")]
    public static partial void Dropped(ILogger logger, int messages, string reason);

    [LoggerMessage(61, LogLevel.Debug, "Dropped {Messages} messages for {UserId} on {DeviceId}: {Reason}")]
    public static partial void DroppedFor(ILogger logger, int messages, string reason, OneLine userId, OneLine deviceId);

    [LoggerMessage(62, LogLevel.Debug, "Dropped {Messages} messages of {Sender}: {Reason}")]
    public static partial void DroppedOf(ILogger logger, int messages, string reason, OneLine sender);

    [LoggerMessage(63, LogLevel.Warning, "Old messages could not be dropped, to keep inboxes within their quota; the next send to them tries again")]
    public static partial void QuotaFailed(ILogger logger, Exception exception);

    [LoggerMessage(64, LogLevel.Warning, "A transaction of {Origin} was refused: it sends more than its limit, and was asked to try again later")]
    public static partial void ServerLimited(ILogger logger, OneLine origin);

    [LoggerMessage(65, LogLevel.Information, "An EDU of {Origin} was dropped by the host's policy: {Error}")]
    public static partial void EduRefused(ILogger logger, OneLine origin, OneLine error);

    [LoggerMessage(66, LogLevel.Information, "The options were read anew")]
    public static partial void OptionsReloaded(ILogger logger);

    [LoggerMessage(67, LogLevel.Error, "The options could not be read anew, and stay as they were: {Error}")]
    public static partial void OptionsNotReloaded(ILogger logger, OneLine error);

    [LoggerMessage(40, LogLevel.Error, "The events of a dehydrated device could not be read; the client was asked to try again")]
    public static partial void DehydratedEventsUnavailable(ILogger logger, Exception exception);

    [LoggerMessage(41, LogLevel.Debug, "Left out {Messages} messages for {UserId} on {DeviceId}: the user ignores their senders")]
    public static partial void Ignored(ILogger logger, int messages, OneLine userId, OneLine deviceId);

    [LoggerMessage(80, LogLevel.Warning, "What waits in the store could not be measured; the next run tries again")]
    public static partial void NotMeasured(ILogger logger, Exception exception);
}
