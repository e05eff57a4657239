using Microsoft.AspNetCore.Http;

namespace Matrix.ToDevice;

/// <summary>An <see cref="IAuthResolver"/> that is one function.</summary>
internal sealed class DelegateAuthResolver(Func<HttpContext, CancellationToken, ValueTask<AuthResult>> resolve) : IAuthResolver
{
    public ValueTask<AuthResult> ResolveAsync(HttpContext context, CancellationToken cancellationToken) =>
        resolve(context, cancellationToken);
}
