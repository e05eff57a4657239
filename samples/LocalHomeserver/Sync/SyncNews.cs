using Matrix.ToDevice;

namespace LocalHomeserver;

/// <summary>What a sync asks for, of either kind.</summary>
/// <param name="Messages">What it wants of its messages, and the token for those that it has.</param>
/// <param name="WantsKeys">Whether it wants to be told about keys.</param>
/// <param name="WantsAccountData">Whether it wants to be told about account data.</param>
/// <param name="Keys">The position of the last change of either that it has been told about; null for a first sync.</param>
/// <param name="Timeout">How long to wait for news.</param>
internal sealed record SyncRequest(ToDeviceExtensionRequest Messages, bool WantsKeys, bool WantsAccountData, long? Keys, TimeSpan Timeout);

/// <summary>What there is to tell. Whoever gets it disposes its messages.</summary>
internal sealed record SyncNews(ToDeviceBatch Messages, OtherNews Others);
