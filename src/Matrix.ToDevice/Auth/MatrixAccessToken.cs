using Microsoft.AspNetCore.Http;
using Microsoft.Net.Http.Headers;

namespace Matrix.ToDevice;

/// <summary>Reads the access token of a request, for use in an <see cref="IAuthResolver"/>.</summary>
public static class MatrixAccessToken
{
    private const string Scheme = "Bearer ";

    /// <summary>The token of the <c>Authorization: Bearer</c> header, or of the <c>access_token</c> query parameter (R8).</summary>
    /// <param name="context">The request.</param>
    /// <param name="allowQuery">
    /// Whether the query parameter counts. The specification deprecated it in v1.11, because it ends up in logs, and
    /// removes it after v1.19; a server that advertises v1.19 or older still has to read it.
    /// </param>
    /// <returns>The token, or null when there is none.</returns>
    public static string? Read(HttpContext context, bool allowQuery = true)
    {
        ArgumentNullException.ThrowIfNull(context);

        var header = context.Request.Headers[HeaderNames.Authorization].ToString();
        if (header.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase))
        {
            var token = header.AsSpan(Scheme.Length).Trim();
            if (!token.IsEmpty) return token.ToString();
        }

        if (!allowQuery) return null;
        var query = context.Request.Query["access_token"].ToString();
        return query.Length == 0 ? null : query;
    }
}
