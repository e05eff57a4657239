using Microsoft.Extensions.Logging;

namespace Matrix.ToDevice;

/// <summary>Everything that the store logs.</summary>
internal static partial class Log
{
    [LoggerMessage(1, LogLevel.Information, "A statement is tried again, after attempt {Attempt}.")]
    public static partial void TriedAgain(ILogger logger, int attempt, Exception exception);

    [LoggerMessage(2, LogLevel.Information, "The schema {Schema} was brought from version {From} to version {To}.")]
    public static partial void Migrated(ILogger logger, string schema, int from, int to);

    [LoggerMessage(3, LogLevel.Warning, "Notifications of other hosts are not heard at the moment; waiting syncs look by themselves now and then.")]
    public static partial void NotListening(ILogger logger, Exception exception);

    [LoggerMessage(4, LogLevel.Information, "Notifications of other hosts are heard again.")]
    public static partial void ListeningAgain(ILogger logger);

    [LoggerMessage(5, LogLevel.Warning, "Other hosts were not notified; their waiting syncs look by themselves now and then.")]
    public static partial void NotNotified(ILogger logger, Exception exception);

    [LoggerMessage(6, LogLevel.Debug, "A notification that cannot be read was passed over.")]
    public static partial void UnreadableNotification(ILogger logger, Exception exception);

    [LoggerMessage(7, LogLevel.Information, "Connections to {Database} lead through a pooler: unless the options say otherwise, statements are not prepared, and hosts do not notify each other.")]
    public static partial void ThroughPooler(ILogger logger, string database);

    [LoggerMessage(8, LogLevel.Information, "{Messages} messages of an accepted send were dropped: their devices have been removed since.")]
    public static partial void DroppedForRemoved(ILogger logger, long messages);

    [LoggerMessage(9, LogLevel.Warning, "What was accepted for bucket {Bucket} is delivered later: it cannot be had at the moment.")]
    public static partial void DeliveredLater(ILogger logger, int bucket, Exception exception);

    [LoggerMessage(10, LogLevel.Warning, "The look for sends that were accepted and not delivered goes on later.")]
    public static partial void ResumedLater(ILogger logger, Exception exception);

    [LoggerMessage(11, LogLevel.Warning, "{Machine} does not answer. What is sent to its users is delivered later; what they ask for is refused.")]
    public static partial void Hangs(ILogger logger, string machine, Exception? exception);

    [LoggerMessage(12, LogLevel.Information, "{Machine} answers again.")]
    public static partial void Answers(ILogger logger, string machine);

    [LoggerMessage(13, LogLevel.Warning, "Where the buckets are could not be found out; it is tried again. A machine that hangs meanwhile may hold up users of others.")]
    public static partial void MachinesUnknown(ILogger logger, Exception exception);
}
