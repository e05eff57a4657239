using System.Globalization;
using System.Text.Json;
using Matrix.ToDevice;

namespace LocalHomeserver;

/// <summary>The query of <c>GET sync</c>. <c>set_presence</c> is accepted and has no effect: there is no presence here.</summary>
/// <param name="Since">The <c>next_batch</c> of the last response that the client has processed.</param>
/// <param name="Timeout">How long to wait for news.</param>
internal sealed record SyncQuery(SyncToken? Since, TimeSpan Timeout)
{
    /// <summary>It asks for everything, always.</summary>
    public SyncRequest Request => new(new ToDeviceExtensionRequest(Since?.ToDevice), WantsKeys: true, WantsAccountData: true, Since?.Keys, Timeout);

    public static async ValueTask<SyncQuery> ReadAsync(HttpContext context, Caller caller, IAccountStore store)
    {
        var query = context.Request.Query;
        var since = query["since"].FirstOrDefault();

        var milliseconds = ReadTimeout(context) ?? 0;
        var fullState = query["full_state"].FirstOrDefault() ?? "false";
        if (fullState is not ("true" or "false")) throw Errors.InvalidParam("full_state", "true or false");

        if (query["filter"].FirstOrDefault() is { } filter && !(filter.StartsWith('{')
            ? IsJson(filter)
            : await store.FindFilterAsync(caller.UserId, filter, context.RequestAborted) is not null))
        {
            throw Errors.InvalidParam("filter", "a filter or the ID of one");
        }

        // The first sync and a full one are about what there is, which is there at once; only the others wait for news.
        var waits = !string.IsNullOrEmpty(since) && fullState == "false";
        return new SyncQuery(
            string.IsNullOrEmpty(since) ? null : SyncToken.Parse(since, "since"), waits ? TimeSpan.FromMilliseconds(Math.Min(milliseconds, int.MaxValue)) : TimeSpan.Zero);
    }

    /// <summary>The query's <c>timeout</c>, in milliseconds.</summary>
    public static long? ReadTimeout(HttpContext context)
    {
        if (context.Request.Query["timeout"].FirstOrDefault() is not { } timeout) return null;
        return long.TryParse(timeout, NumberStyles.None, CultureInfo.InvariantCulture, out var milliseconds)
            ? milliseconds
            : throw Errors.InvalidParam("timeout", "a number of milliseconds");
    }

    private static bool IsJson(string text)
    {
        try
        {
            using var document = JsonDocument.Parse(text);
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }
}
