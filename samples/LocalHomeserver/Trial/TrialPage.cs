using Microsoft.Extensions.FileProviders;
using Microsoft.Net.Http.Headers;

namespace LocalHomeserver;

/// <summary>The page at <c>/</c>: files that are built from the folder Page, and lie beside the server's own.</summary>
internal static class TrialPage
{
    // Nothing comes from elsewhere, and nothing goes elsewhere. The Matrix SDK's encryption is WebAssembly.
    private const string Policy =
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    public static void UseTrialPage(this WebApplication app)
    {
        var server = new FileServerOptions
        {
            FileProvider = new PhysicalFileProvider(Path.Combine(AppContext.BaseDirectory, "wwwroot")),
        };
        server.StaticFileOptions.OnPrepareResponse = file =>
        {
            var headers = file.Context.Response.Headers;
            headers.ContentSecurityPolicy = Policy;
            headers.XContentTypeOptions = "nosniff";
            if (headers.ContentType is [{ } type] && type.StartsWith("text/", StringComparison.Ordinal))
                headers.ContentType = $"{type}; charset=utf-8";
            headers[HeaderNames.CacheControl] = IsNamedByContent(file.Context.Request.Path)
                ? "public, max-age=31536000, immutable"
                : "no-cache";
        };
        app.UseFileServer(server);
    }

    private static bool IsNamedByContent(PathString path) => path.StartsWithSegments("/assets");
}
