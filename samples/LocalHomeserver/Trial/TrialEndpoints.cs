using Matrix.ToDevice;
using Microsoft.Extensions.Options;

namespace LocalHomeserver;

/// <summary>What the page at <c>/</c> asks that no Matrix client would: under <c>/_trial</c>, and not part of a homeserver.</summary>
internal static class TrialEndpoints
{
    public static void AddTrial(this IServiceCollection services)
    {
        services.AddSingleton<HandOuts>();
        services.AddSingleton<Restart>();
    }

    public static void MapTrial(this IEndpointRouteBuilder app)
    {
        var trial = app.MapGroup("/_trial");

        trial.MapGet("/server", (Settings settings, Restart restart) =>
            new TrialServer(settings.ServerName, settings.Store, restart.StartedTs));

        // The caller's own inbox: there is no way to name another one.
        trial.MapGet("/inbox", (
            Caller caller, IDeviceInbox inbox, IOptions<SendToDeviceOptions> options, HandOuts handOuts, CancellationToken cancellationToken) =>
            TrialInbox.ReadAsync(caller.Device, inbox, options.Value, handOuts, cancellationToken));

        trial.MapPost("/restart", (Caller _, HttpContext context, Restart restart) =>
        {
            // CORS lets pages of other sites use a homeserver, and so register on it. They shall not stop it.
            var request = context.Request;
            if (request.Headers.Origin is [{ } origin] && origin != $"{request.Scheme}://{request.Host}")
                throw Errors.Forbidden("Only this server's own page can restart it");

            context.Response.OnCompleted(restart.RequestAsync);
            return new EmptyObject();
        });
    }
}

/// <summary>The server that the page came from.</summary>
/// <param name="ServerName">What follows the colon of its user IDs.</param>
/// <param name="Store">Where accounts and messages live.</param>
/// <param name="StartedTs">When it was started, in milliseconds since 1970: another one after a restart.</param>
internal sealed record TrialServer(string ServerName, string Store, long StartedTs);
