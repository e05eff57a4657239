namespace LocalHomeserver.Tests;

/// <summary>Something that somebody says to the server.</summary>
/// <param name="Number">Its number, from which it can be made again.</param>
/// <param name="Endpoint">What it is for.</param>
internal abstract record FuzzInput(long Number, string Endpoint);

/// <summary>A client's request.</summary>
/// <param name="Number">Its number.</param>
/// <param name="Endpoint">What it is for.</param>
/// <param name="Method">The HTTP method.</param>
/// <param name="Uri">Path and query.</param>
/// <param name="Authorization">The device that makes it, or a whole header after <c>=</c>; null for none.</param>
/// <param name="Body">The body.</param>
internal sealed record ClientInput(long Number, string Endpoint, string Method, string Uri, string? Authorization, byte[]? Body)
    : FuzzInput(Number, Endpoint);

/// <summary>A peer's request other than a transaction of EDUs.</summary>
/// <param name="Number">Its number.</param>
/// <param name="Endpoint">What it is for.</param>
/// <param name="Method">The HTTP method.</param>
/// <param name="Uri">Path and query.</param>
/// <param name="Body">The body.</param>
/// <param name="Canonical">The body as it is signed.</param>
/// <param name="Authorization">The header, when it is not what is right.</param>
internal sealed record PeerInput(long Number, string Endpoint, string Method, string Uri, byte[]? Body, string? Canonical, string? Authorization)
    : FuzzInput(Number, Endpoint);

/// <summary>An EDU of a peer; a transaction holds several.</summary>
/// <param name="Number">Its number.</param>
/// <param name="Endpoint">Its type.</param>
/// <param name="Json">The EDU.</param>
/// <param name="Canonical">The EDU as it is signed.</param>
/// <param name="CanBeSigned">Whether a server could sign it: for the others' sake, such an EDU must not fail its transaction.</param>
internal sealed record EduInput(long Number, string Endpoint, string Json, string Canonical, bool CanBeSigned) : FuzzInput(Number, Endpoint);

/// <summary>What a peer answers to a request of the server.</summary>
/// <param name="Number">Its number.</param>
/// <param name="Endpoint">The endpoint of the peer.</param>
/// <param name="Answer">The body of its 200.</param>
internal sealed record AnswerInput(long Number, string Endpoint, byte[] Answer) : FuzzInput(Number, Endpoint);
