using System.Text.Json;

namespace LocalHomeserver;

/// <summary><c>POST keys/device_signing/upload</c>.</summary>
internal static class CrossSigningEndpoint
{
    public static void MapCrossSigning(this IEndpointRouteBuilder client) => client.MapPost("/keys/device_signing/upload", UploadAsync);

    private static async Task<EmptyObject> UploadAsync(
        Caller caller, Body<CrossSigningRequest> body, CrossSigning crossSigning, Passwords passwords, CancellationToken cancellationToken)
    {
        var request = body.Value;
        var uploaded = new[]
        {
            CrossSigningKey.Read(request.MasterKey, CrossSigningKey.Master, caller.UserId),
            CrossSigningKey.Read(request.SelfSigningKey, CrossSigningKey.SelfSigning, caller.UserId),
            CrossSigningKey.Read(request.UserSigningKey, CrossSigningKey.UserSigning, caller.UserId),
        }.OfType<CrossSigningKey>().ToList();

        // A password takes its time. Whether one is needed can be another matter once it is this upload's turn.
        var isConfirmed = false;
        await CheckAsync(await crossSigning.FindAsync(caller.UserId, cancellationToken));
        await crossSigning.SaveAsync(caller.UserId, uploaded, CheckAsync, cancellationToken);
        return new EmptyObject();

        async ValueTask CheckAsync(Dictionary<string, CrossSigningKey> existing)
        {
            CheckSignatures(uploaded, existing, caller.UserId);

            // The same keys again prove nothing new, and a user's first keys replace nobody's (MSC3967).
            var isReplaced = existing.ContainsKey(CrossSigningKey.Master) && uploaded.Exists(key => key.IsChangeOf(existing));
            if (!isReplaced || isConfirmed) return;
            await UserInteractiveAuth.RequirePasswordAsync(request.Auth, caller, passwords, cancellationToken);
            isConfirmed = true;
        }
    }

    // All that the specification has a server check: the master key has signed the other two. Whose master key it is, users find
    // out by comparing emoji.
    private static void CheckSignatures(List<CrossSigningKey> uploaded, Dictionary<string, CrossSigningKey> existing, string userId)
    {
        var master = uploaded.Find(key => key.Usage == CrossSigningKey.Master)
            ?? existing.GetValueOrDefault(CrossSigningKey.Master)
            ?? throw Errors.MissingParam("master_key");
        foreach (var key in uploaded.Where(key => key.Usage != CrossSigningKey.Master))
        {
            if (!key.IsSignedBy(master, userId))
                throw Errors.New(400, "M_INVALID_SIGNATURE", $"The {key.Usage} key is not signed by the master key");
        }
    }
}

internal sealed record CrossSigningRequest(AuthData? Auth, JsonElement? MasterKey, JsonElement? SelfSigningKey, JsonElement? UserSigningKey);
