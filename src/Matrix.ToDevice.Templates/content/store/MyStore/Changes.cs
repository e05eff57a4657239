using System.Text.Json.Serialization;
using Matrix.ToDevice;

namespace MyStore;

/// <summary>What can happen to the data: one line of the journal each, and one step.</summary>
[JsonDerivedType(typeof(Sent), "sent")]
[JsonDerivedType(typeof(Used), "used")]
[JsonDerivedType(typeof(Acknowledged), "acknowledged")]
[JsonDerivedType(typeof(DeviceRemoved), "removed")]
[JsonDerivedType(typeof(Purged), "purged")]
internal abstract record Change;

/// <summary>A send was committed: its record, and the messages of all its recipients.</summary>
internal sealed record Sent(TransactionKey Key, DateTimeOffset At, IReadOnlyList<Message> Messages) : Change;

/// <summary>A send that was committed before came again.</summary>
internal sealed record Used(TransactionKey Key, DateTimeOffset At) : Change;

/// <summary>A device has its messages up to this number.</summary>
internal sealed record Acknowledged(DeviceAddress Device, long UpTo) : Change;

/// <summary>A device has ended.</summary>
internal sealed record DeviceRemoved(DeviceAddress Device, DateTimeOffset At) : Change;

/// <summary>These records are forgotten, and removals from before a moment.</summary>
internal sealed record Purged(IReadOnlyList<TransactionKey> Keys, DateTimeOffset RemovalsBefore) : Change;

/// <summary>A message on its way into an inbox. Its content is bytes: it comes out as it went in.</summary>
internal sealed record Message(DeviceAddress Recipient, string Sender, string EventType, byte[] Content, long SendId);
