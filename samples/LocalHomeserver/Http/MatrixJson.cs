using System.Text.Json;
using System.Text.Json.Serialization;

namespace LocalHomeserver;

/// <summary>The bodies of requests and responses, and how they are written.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(RegisterRequest))]
[JsonSerializable(typeof(LoginRequest))]
[JsonSerializable(typeof(LoginResponse))]
[JsonSerializable(typeof(LoginFlows))]
[JsonSerializable(typeof(RefreshRequest))]
[JsonSerializable(typeof(RefreshResponse))]
[JsonSerializable(typeof(WhoAmIResponse))]
[JsonSerializable(typeof(DeviceList))]
[JsonSerializable(typeof(UpdateDeviceRequest))]
[JsonSerializable(typeof(DeleteDeviceRequest))]
[JsonSerializable(typeof(DeleteDevicesRequest))]
[JsonSerializable(typeof(AuthenticationFlows))]
[JsonSerializable(typeof(FilterResponse))]
[JsonSerializable(typeof(SlidingSyncBody))]
[JsonSerializable(typeof(UserDeviceList))]
[JsonSerializable(typeof(ServerVersion))]
[JsonSerializable(typeof(TransactionAnswer))]
[JsonSerializable(typeof(KeyUploadRequest))]
[JsonSerializable(typeof(KeyUploadResponse))]
[JsonSerializable(typeof(KeyQueryRequest))]
[JsonSerializable(typeof(KeyQueryResponse))]
[JsonSerializable(typeof(KeyClaimRequest))]
[JsonSerializable(typeof(KeyClaimResponse))]
[JsonSerializable(typeof(KeyChangesResponse))]
[JsonSerializable(typeof(CrossSigningRequest))]
[JsonSerializable(typeof(DehydratedDeviceRequest))]
[JsonSerializable(typeof(DehydratedDeviceResponse))]
[JsonSerializable(typeof(Dictionary<string, Dictionary<string, JsonElement>>))]
[JsonSerializable(typeof(SignatureResponse))]
[JsonSerializable(typeof(TrialServer))]
[JsonSerializable(typeof(TrialInbox))]
[JsonSerializable(typeof(JsonElement))]
[JsonSerializable(typeof(EmptyObject))]
internal sealed partial class MatrixJson : JsonSerializerContext
{
    /// <summary>For what endpoints return.</summary>
    public static void Configure(JsonSerializerOptions options)
    {
        options.TypeInfoResolverChain.Insert(0, Default);
        options.PropertyNamingPolicy = Default.Options.PropertyNamingPolicy;
        options.DefaultIgnoreCondition = Default.Options.DefaultIgnoreCondition;
    }
}

/// <summary>The response <c>{}</c>.</summary>
internal sealed record EmptyObject;
