using System.Text.Json.Serialization;

namespace Matrix.ToDevice.Tool;

// What --json writes (docs/tool.md). Names stay; more may come.

internal sealed record InboxesResult(IReadOnlyList<InboxLine> Inboxes);

internal sealed record OutboxResult(IReadOnlyList<DestinationLine> Destinations);

internal sealed record ShowResult(string UserId, string DeviceId, long Waiting, IReadOnlyList<MessageLine> Messages);

/// <param name="Removed">Whether devices were removed, and not only their messages.</param>
internal sealed record PurgeResult(bool DryRun, bool Removed, IReadOnlyList<PurgedInbox> Inboxes, string? Destination, long Edus);

internal sealed record PurgedInbox(string UserId, string DeviceId, long Messages, long Bytes);

/// <param name="Before">The version that was found; 0 when there were no tables.</param>
internal sealed record MigrateResult(string Store, int Before, int SchemaVersion, bool Changed);

internal sealed record VerifyResult(string Store, long Findings, IReadOnlyList<string> Checks, IReadOnlyList<FindingLine> Lines);

internal sealed record MoveResult(string From, string To, MoveCounts Moved);

internal sealed record ErrorResult(string Error, int ExitCode);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, WriteIndented = true, NewLine = "\n")]
[JsonSerializable(typeof(Inspection))]
[JsonSerializable(typeof(InboxesResult))]
[JsonSerializable(typeof(OutboxResult))]
[JsonSerializable(typeof(ShowResult))]
[JsonSerializable(typeof(PurgeResult))]
[JsonSerializable(typeof(MigrateResult))]
[JsonSerializable(typeof(VerifyResult))]
[JsonSerializable(typeof(MoveResult))]
[JsonSerializable(typeof(ErrorResult))]
internal sealed partial class ResultJson : JsonSerializerContext;
