namespace Matrix.ToDevice;

/// <summary>A send that is to be accepted.</summary>
/// <param name="Transaction">The send.</param>
/// <param name="Sender">The sending device, as its rows name it.</param>
/// <param name="Own">What of it belongs into the bucket of its sender.</param>
/// <param name="Intents">What belongs into other buckets.</param>
internal sealed record Acceptance(
    PostgreSqlTransaction Transaction, DeviceAddress Sender, Portion Own, IReadOnlyList<(Source Source, Portion Portion)> Intents);
