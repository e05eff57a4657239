using System.Text.Json;

namespace LocalHomeserver;

/// <summary><c>POST keys/device_signing/upload</c>.</summary>
internal static class CrossSigningEndpoint
{
    public static void MapCrossSigning(this IEndpointRouteBuilder client) => client.MapPost("/keys/device_signing/upload", UploadAsync);

    private static async Task<EmptyObject> UploadAsync(
        HttpContext context, Caller caller, Body<CrossSigningRequest> body, DeviceLives devices, CrossSigning crossSigning,
        IAccountStore accounts, Passwords passwords, CancellationToken cancellationToken)
    {
        var request = body.Value;
        var uploaded = new[]
        {
            CrossSigningKey.Read(request.MasterKey, CrossSigningKey.Master, caller.UserId),
            CrossSigningKey.Read(request.SelfSigningKey, CrossSigningKey.SelfSigning, caller.UserId),
            CrossSigningKey.Read(request.UserSigningKey, CrossSigningKey.UserSigning, caller.UserId),
        }.OfType<CrossSigningKey>().ToList();

        // No device begins meanwhile that could have the name of one of the keys, and no other keys come first.
        return await devices.WhileAliveAsync(context, caller, async () =>
        {
            var existing = await crossSigning.FindAsync(caller.UserId, cancellationToken);
            Check(uploaded, existing, caller.UserId);

            // The same keys again prove nothing new, and a user's first keys replace nobody's (MSC3967).
            var changed = uploaded.Where(key => existing.GetValueOrDefault(key.Usage)?.PublicKey != key.PublicKey).ToList();
            if (changed.Count > 0 && existing.ContainsKey(CrossSigningKey.Master))
                await UserInteractiveAuth.RequirePasswordAsync(request.Auth, caller, passwords, cancellationToken);

            var deviceIds = await accounts.ListDevicesAsync(caller.UserId, cancellationToken);
            if (deviceIds.Any(device => uploaded.Any(key => key.PublicKey == device.DeviceId)))
                throw Errors.Forbidden("One of your devices has the name of this key");

            // With a new master key, everything begins anew, the keys too that only have its signature now.
            var isNewMaster = changed.Exists(key => key.Usage == CrossSigningKey.Master);
            if (changed.Count > 0) await crossSigning.SaveAsync(caller.UserId, isNewMaster ? uploaded : changed, cancellationToken);
            return new EmptyObject();
        });
    }

    // All that the specification has a server check: the master key has signed the other two. Whose master key it is, users find
    // out by comparing emoji.
    private static void Check(List<CrossSigningKey> uploaded, Dictionary<string, CrossSigningKey> existing, string userId)
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
