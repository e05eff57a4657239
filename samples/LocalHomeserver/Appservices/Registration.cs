using Matrix.ToDevice;

namespace LocalHomeserver;

/// <summary>An appservice, as its registration file says.</summary>
/// <param name="Appservice">What the library wants to know of it.</param>
/// <param name="Url">Where it listens; null when nothing is pushed to it.</param>
/// <param name="AsToken">Its access token.</param>
/// <param name="HsToken">This server's token at the appservice.</param>
/// <param name="ManagesDevices">Whether it makes devices with <c>PUT devices/{deviceId}</c>, and none by registering (MSC4190).</param>
internal sealed record Registration(Appservice Appservice, Uri? Url, string AsToken, string HsToken, bool ManagesDevices);
