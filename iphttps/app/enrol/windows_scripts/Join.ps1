# Makes this computer a client of an IP-HTTPS server. In an administrator's prompt:
#
#     powershell -ExecutionPolicy Bypass -File .\Join.ps1
#
# It imports the certificate, its key and the authority, adds the tunnel's interface, and shows its state. Leave.ps1 reverts
# this. Both scripts work with PowerShell 2.0 (Windows 7) and later.

$ErrorActionPreference = 'Stop'
$Uri = @URI@
$ClientName = @NAME@
$Authority = @AUTHORITY@

function Stop-Here([string] $Sentence) {
    Write-Host $Sentence
    exit 1
}

function Add-ToStore($Certificate, [string] $StoreName) {
    $store = New-Object System.Security.Cryptography.X509Certificates.X509Store($StoreName, 'LocalMachine')
    $store.Open('ReadWrite')
    try { $store.Add($Certificate) } finally { $store.Close() }
}

$user = New-Object System.Security.Principal.WindowsPrincipal([System.Security.Principal.WindowsIdentity]::GetCurrent())
if (-not $user.IsInRole([System.Security.Principal.WindowsBuiltInRole]::Administrator)) {
    Stop-Here 'Administrator rights are required: open PowerShell with "Run as administrator" and run this script again.'
}

$shown = (netsh interface httpstunnel show interfaces | Out-String)
$joined = $shown.ToLower().Contains($Uri.ToLower())
if (-not $joined -and $shown -match 'https?://') {
    Write-Host $shown
    Stop-Here 'This computer already has a tunnel to another server, and Windows supports only one. No changes were made.'
}

$here = Split-Path -Parent $MyInvocation.MyCommand.Path
$passphrase = Read-Host -AsSecureString -Prompt ('Passphrase for ' + $ClientName)
$flags = [System.Security.Cryptography.X509Certificates.X509KeyStorageFlags] 'MachineKeySet, PersistKeySet'
$certificate = New-Object System.Security.Cryptography.X509Certificates.X509Certificate2
try {
    $certificate.Import((Join-Path $here 'client.p12'), $passphrase, $flags)
} catch {
    Stop-Here ('Cannot open client.p12; check the passphrase. ' + $_.Exception.Message)
}

if ($Authority -ne '') {
    $ca = New-Object System.Security.Cryptography.X509Certificates.X509Certificate2((Join-Path $here 'ca.cer'))
    if ($ca.Thumbprint -ne $Authority) {
        Stop-Here 'ca.cer does not belong to this folder: copy the folder from the server again.'
    }
    Add-ToStore $ca 'Root'
}
Add-ToStore $certificate 'My'

if (-not $joined) {
    netsh interface httpstunnel add interface client $Uri enabled
    if ($LASTEXITCODE -ne 0) {
        Stop-Here 'netsh failed to add the interface, see its message above. Leave.ps1 removes the certificates again.'
    }
}
Start-Sleep -Seconds 5
netsh interface httpstunnel show interfaces
Write-Host 'Joined. client.p12 is no longer needed: delete it.'
