using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace LocalHomeserver;

/// <summary>
/// <c>POST user/{userId}/filter</c> and <c>GET user/{userId}/filter/{filterId}</c>. Filters are kept and given back; account
/// data, the only thing here that one could filter, comes whole, and to-device messages are never filtered (R59).
/// </summary>
internal static class FilterEndpoints
{
    public static void MapFilters(this IEndpointRouteBuilder client)
    {
        client.MapPost("/user/{userId}/filter", async (
            Caller caller, string userId, Body<JsonElement> body, IAccountStore store, CancellationToken cancellationToken) =>
        {
            Check(caller, userId);
            if (body.Value.ValueKind != JsonValueKind.Object) throw Errors.BadJson();

            // Clients upload the same filter at every start: named by its content, it is kept once.
            var filter = body.Value.GetRawText();
            var filterId = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(filter)).AsSpan(0, 8));
            await store.SaveFilterAsync(userId, filterId, filter, cancellationToken);
            return new FilterResponse(filterId);
        });

        client.MapGet("/user/{userId}/filter/{filterId}", async (
            Caller caller, string userId, string filterId, IAccountStore store, CancellationToken cancellationToken) =>
        {
            Check(caller, userId);
            var filter = await store.FindFilterAsync(userId, filterId, cancellationToken)
                ?? throw Errors.NotFound("You have no such filter");
            return TypedResults.Text(filter, "application/json");
        });
    }

    private static void Check(Caller caller, string userId)
    {
        if (caller.UserId != userId) throw Errors.Forbidden("Filters are their user's own");
    }
}

internal sealed record FilterResponse(string FilterId);
