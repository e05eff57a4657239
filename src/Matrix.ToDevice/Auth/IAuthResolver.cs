using Microsoft.AspNetCore.Http;

namespace Matrix.ToDevice;

/// <summary>The homeserver's answer to "who is asking?".</summary>
public interface IAuthResolver
{
    /// <summary>
    /// Tells who makes the request. Called before anything else of it is looked at (D17), and once more when a device is
    /// removed in the middle of a send.
    /// </summary>
    /// <param name="context">The request. Its body must be left unread.</param>
    /// <param name="cancellationToken">Cancels the call: the client has gone.</param>
    ValueTask<AuthResult> ResolveAsync(HttpContext context, CancellationToken cancellationToken);
}
