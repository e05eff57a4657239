using System.Runtime.InteropServices;
using System.Text.Json;

namespace LocalHomeserver;

/// <summary><c>GET</c> and <c>PUT user/{userId}/account_data/{type}</c>.</summary>
internal static class AccountDataEndpoints
{
    private const int MaxTypeLength = 255;

    // As much as an event may have.
    private const int MaxBytes = 65_536;

    // The server's own to change, by other endpoints (specification, "Account data").
    private static readonly string[] s_ofTheServer = ["m.fully_read", "m.push_rules"];

    public static void MapAccountData(this IEndpointRouteBuilder client)
    {
        client.MapPut("/user/{userId}/account_data/{type}", async (
            Caller caller, string userId, string type, Body<JsonElement> body, AccountData accountData, CancellationToken cancellationToken) =>
        {
            Check(caller, userId);
            if (s_ofTheServer.Contains(type)) throw Errors.New(405, "M_BAD_JSON", $"{type} cannot be set here");
            if (body.Value.ValueKind != JsonValueKind.Object) throw Errors.BadJson();
            if (type.Length > MaxTypeLength) throw Errors.InvalidParam("type", $"at most {MaxTypeLength} characters long");
            var content = JsonMarshal.GetRawUtf8Value(body.Value).ToArray();
            if (content.Length > MaxBytes) throw Errors.New(413, "M_TOO_LARGE", $"Account data has {MaxBytes} bytes at most");

            await accountData.SaveAsync(userId, type, content, cancellationToken);
            return new EmptyObject();
        });

        client.MapGet("/user/{userId}/account_data/{type}", async (
            Caller caller, string userId, string type, AccountData accountData, CancellationToken cancellationToken) =>
        {
            Check(caller, userId);
            var content = await accountData.FindAsync(userId, type, cancellationToken)
                ?? throw Errors.NotFound("You have no such account data");
            return TypedResults.Bytes(content, "application/json");
        });
    }

    private static void Check(Caller caller, string userId)
    {
        if (caller.UserId != userId) throw Errors.Forbidden("Account data is its user's own");
    }
}
